"""Equations of Word (OMML) to a line of text: ``E=mc^2``, ``(a+b)/2``, ``√(x+1)``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from qgbatch.readers.word.names import attribute, name_of

_ATOM = re.compile(r"(?:\w|[^\W\d_][\u0300-\u036f]|\d[\d.,]*\d|[^\W\d_]{2,})\Z")
"""What needs no parentheses: a letter, a number or a name."""
_SCRIPTS = {
    "m:sSub": {"sub": "_"},
    "m:sSup": {"sup": "^"},
    "m:sSubSup": {"sub": "_", "sup": "^"},
    "m:limLow": {"lim": "_"},
    "m:limUpp": {"lim": "^"},
}
_DELETED = ("w:del", "w:moveFrom")
_BARS = {"top": "\u0305", "bot": "\u0332"}


def linear_text(equation: Any) -> str:
    """The equation as it would be typed in a line of text; an unknown element gives its characters."""
    name = name_of(equation)
    if name in ("m:t", "w:t"):
        return equation.text or ""
    if name in _SCRIPTS:
        return _with_scripts(equation, _SCRIPTS[name])
    write = _WRITERS.get(name)
    if write:
        return write(equation)
    is_shown = name[-2:] != "Pr" and name not in _DELETED
    return "".join(map(linear_text, equation)) if is_shown else ""


def _parts(element: Any) -> Iterator[str]:
    """The arguments of an element, without its properties."""
    return (linear_text(child) for child in element if name_of(child)[-2:] != "Pr")


def _part(element: Any, name: str) -> str:
    child = element.find(f"{{*}}{name}")
    return "" if child is None else linear_text(child)


def _property(element: Any, name: str, default: str) -> str:
    found = element.find(f"{{*}}{name_of(element)[2:]}Pr/{{*}}{name}")
    return default if found is None else attribute(found, "val")


def _group(text: str) -> str:
    text = text.strip()
    is_one = _ATOM.match(text) or len(text) == 1
    return text if is_one or not text else f"({text})"


def _with_scripts(element: Any, signs: Mapping[str, str]) -> str:
    base = _part(element, "e").strip()
    scripts = "".join(_script(sign, _part(element, name)) for name, sign in signs.items())
    is_whole = base[-1:] in (")", "]", "|") or "lim" in signs
    return (base if is_whole else _group(base)) + scripts


def _script(sign: str, text: str) -> str:
    return sign + _group(text) if text.strip() else ""


def _fraction(element: Any) -> str:
    above, below = _part(element, "num"), _part(element, "den")
    if _property(element, "type", "bar") == "noBar":  # a binomial coefficient
        return f"{above}; {below}"
    return f"{_group(above)}/{_group(below)}"


def _radical(element: Any) -> str:
    degree = _part(element, "deg").strip()
    return f"√{f'[{degree}]' if degree else ''}{_group(_part(element, 'e'))}"


def _sum(element: Any) -> str:
    bounds = _script("_", _part(element, "sub")) + _script("^", _part(element, "sup"))
    return f"{_property(element, 'chr', '∫')}{bounds} {_part(element, 'e')}"


def _delimiters(element: Any) -> str:
    separator = _property(element, "sepChr", "|")
    inside = separator.join(_parts(element))
    return f"{_property(element, 'begChr', '(')}{inside}{_property(element, 'endChr', ')')}"


def _function(element: Any) -> str:
    return f"{_part(element, 'fName')} {_part(element, 'e')}"


def _accent(element: Any) -> str:
    return _group(_part(element, "e")) + _property(element, "chr", "\u0302")


def _bar(element: Any) -> str:
    return _group(_part(element, "e")) + _BARS.get(_property(element, "pos", "bot"), "")


def _before(element: Any) -> str:
    scripts = _script("_", _part(element, "sub")) + _script("^", _part(element, "sup"))
    return f"{scripts} {_part(element, 'e')}"


def _rows(element: Any) -> str:
    return "; ".join(_parts(element))


def _aligned_rows(element: Any) -> str:
    return _rows(element).replace("&", "")  # where Word aligns them


def _row(element: Any) -> str:
    return ", ".join(_parts(element))


_WRITERS = {
    "m:f": _fraction,
    "m:rad": _radical,
    "m:nary": _sum,
    "m:d": _delimiters,
    "m:func": _function,
    "m:acc": _accent,
    "m:bar": _bar,
    "m:sPre": _before,
    "m:m": _rows,
    "m:eqArr": _aligned_rows,
    "m:mr": _row,
}
