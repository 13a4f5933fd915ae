"""nltk's Punkt without the rest of nltk.

nltk imports all of its packages at once, and scipy if it is installed. This takes up to a second,
which is most of the time that a run over one short document needs. Punkt itself uses few modules.

Import this module before threads start: one that imports nltk at the same moment gets a part of it.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec, module_from_spec
from typing import Any

_PACKAGES = ("nltk", "nltk.tokenize")
"""The packages of Punkt. What their ``__init__`` imports is not needed."""


def _import_punkt() -> Any:
    """Import ``nltk.tokenize.punkt``; the packages around it are not run unless they are imported already.

    Nothing of nltk stays in ``sys.modules``, so that a later ``import nltk`` imports all of it.
    """
    name = "nltk.tokenize.punkt"
    if "nltk" in sys.modules:
        return import_module(name)
    try:
        for package in _PACKAGES:
            spec = find_spec(package)
            if spec is None:
                break  # the import below says what is missing
            sys.modules[package] = module_from_spec(spec)
        return import_module(name)
    finally:
        for module in [each for each in sys.modules if each.partition(".")[0] == "nltk"]:
            del sys.modules[module]


_punkt = _import_punkt()
PunktParameters: Any = _punkt.PunktParameters
PunktSentenceTokenizer: Any = _punkt.PunktSentenceTokenizer
