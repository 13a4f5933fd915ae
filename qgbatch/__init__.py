"""Turn piles of documents into questions with a fine-tuned T5.

The names below are loaded when first used, so that importing the package costs
nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qgbatch.errors import ExitCode, QgbatchError
    from qgbatch.output.rows import to_dataframe
    from qgbatch.pipeline.api import run
    from qgbatch.pipeline.generator import Generator, generate_questions, iter_questions
    from qgbatch.pipeline.run_report import RunReport
    from qgbatch.records import Chunk, Document, Question
    from qgbatch.settings import PRESETS, CacheSettings, FileSettings, Settings

__version__ = "0.1.0"

_HOMES = {
    "CacheSettings": "settings",
    "Chunk": "records",
    "Document": "records",
    "ExitCode": "errors",
    "FileSettings": "settings",
    "Generator": "pipeline.generator",
    "PRESETS": "settings",
    "QgbatchError": "errors",
    "Question": "records",
    "RunReport": "pipeline.run_report",
    "Settings": "settings",
    "generate_questions": "pipeline.generator",
    "iter_questions": "pipeline.generator",
    "run": "pipeline.api",
    "to_dataframe": "output.rows",
}

__all__ = [
    "PRESETS",
    "CacheSettings",
    "Chunk",
    "Document",
    "ExitCode",
    "FileSettings",
    "Generator",
    "QgbatchError",
    "Question",
    "RunReport",
    "Settings",
    "__version__",
    "generate_questions",
    "iter_questions",
    "run",
    "to_dataframe",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"qgbatch.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
