"""Packages that only training and measuring need; a run does without them."""

from __future__ import annotations

import importlib.util

from qgbatch.errors import ModelError


def require(*names: str) -> None:
    """See that packages are installed, before anything is read.

    Raises:
        ModelError: one is not; it names the line that installs it.
    """
    for name in names:
        if not importlib.util.find_spec(name):
            line = "pip install wandb" if name == "wandb" else "pip install 'qgbatch[train]'"
            raise ModelError(f"This needs the package {name}.", f"Install it: {line}")
