"""Checks of the fields of training data, which are untrusted input. An error names the field's place."""

from __future__ import annotations

from typing import Any

from qgbatch.errors import InputError


def field(value: Any, key: str, kind: type[Any], place: str) -> Any:
    """The value of a key of an object.

    Raises:
        InputError: the value is missing or of another type; names its place.
    """
    if not isinstance(value, dict):
        raise InputError(f"{place}: {kind_of_value(value)}, not an object.", "Correct the data.")
    if not isinstance(value.get(key), kind):
        found = f"{key} is {kind_of_value(value[key])}" if key in value else f"no {key!r}"
        raise InputError(f"{place}: {found}.", f"It needs {key!r}, a {kind_of_value(kind())}.")
    return valid_text(value[key], f"{place}.{key}") if kind is str else value[key]


def valid_text(text: str, place: str) -> str:
    """Check that a text can be encoded; an escape in JSON can be half of a surrogate pair.

    Raises:
        InputError: the text cannot be encoded; names its place.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"{place}: a lone surrogate at offset {error.start}.", "Correct the data."
        ) from error
    return text


def kind_of_value(value: object) -> str:
    """Return the name of a value's type in JSON, for messages."""
    names = {dict: "object", list: "list", str: "text", type(None): "null", bool: "boolean"}
    return names.get(type(value), "number")
