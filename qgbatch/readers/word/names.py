"""Names in the XML of Word documents, the same for the transitional and the strict form."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

_PREFIXES = {
    "http://schemas.openxmlformats.org/wordprocessingml/2006/main": "w",
    "http://schemas.openxmlformats.org/officeDocument/2006/math": "m",
    "http://purl.oclc.org/ooxml/wordprocessingml/main": "w",  # "Strict Open XML Document" when saving
    "http://purl.oclc.org/ooxml/officeDocument/math": "m",
    "http://schemas.openxmlformats.org/markup-compatibility/2006": "mc",
}


def name_of(element: Any) -> str:
    """The name of an element with the usual prefix, such as ``w:p``; ``:p`` in other namespaces."""
    return _prefixed(element.tag)


def attribute(element: Any, name: str) -> str:
    """The value of an attribute in whatever namespace, or an empty string."""
    return next((str(v) for k, v in element.attrib.items() if k.rpartition("}")[2] == name), "")


@lru_cache(maxsize=1024)
def _prefixed(tag: str) -> str:
    namespace, _, name = tag.rpartition("}")
    return f"{_PREFIXES.get(namespace[1:], '')}:{name}"
