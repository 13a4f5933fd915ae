"""Directories for libraries that only take names in UTF-8."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from qgbatch.errors import display


@contextmanager
def utf8_path(directory: Path) -> Iterator[Path]:
    """Yield a directory; if its name is not UTF-8, a temporary link to it.

    The tokenizers library and CTranslate2 are not written in Python and cannot open such names.
    """
    if display(str(directory)) == str(directory):
        yield directory
        return
    with TemporaryDirectory() as place:
        link = Path(place) / "link"
        link.symlink_to(directory.absolute(), target_is_directory=True)
        yield link
