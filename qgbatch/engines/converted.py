"""The converted models in a cache directory; imports no heavy library, unlike the conversion."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

CONVERTED_MODELS = "ctranslate2"
"""Name of the directory of converted models in the cache directory."""
DRAFT_PREFIX = ".converting-"
_CONVERSION = re.compile(r"[0-9a-f]{32}-[a-z0-9_]+(?:-[0-9]+\.[0-9]+\.[0-9]+)?-[0-9][^-]*-[0-9]+")
"""The names of earlier versions had no ids of special tokens."""


def conversion_name(
    sha256: str, precision: str, tokens: str, ctranslate2_version: str, conversion_version: int
) -> str:
    """The name of the directory of a converted model; ``tokens`` are the ids of its special tokens."""
    return f"{sha256[:32]}-{precision}-{tokens}-{ctranslate2_version}-{conversion_version}"


def find_conversions(cache_directory: Path) -> list[Path]:
    """Find the converted models, and no other directories."""
    found = (cache_directory / CONVERTED_MODELS).glob("*")
    return [path for path in found if _CONVERSION.fullmatch(path.name) and path.is_dir()]


def clear_conversions(cache_directory: Path) -> None:
    """Delete the converted models, finished and unfinished, and nothing that qgbatch did not write."""
    drafts = (cache_directory / CONVERTED_MODELS).glob(f"{DRAFT_PREFIX}*")
    for path in [*find_conversions(cache_directory), *drafts]:
        shutil.rmtree(path, ignore_errors=True)
