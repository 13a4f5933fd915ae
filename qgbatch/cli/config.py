"""Sources of option values besides the command line: ``--config`` and ``--preset``."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click

from qgbatch.cli.options import PLACES, Decorated, Option, option
from qgbatch.errors import SettingsError
from qgbatch.settings import PRESETS

_INPUTS = "inputs"
"""The argument that the configuration file may hold besides options."""


def config_option() -> Callable[[Decorated], Decorated]:
    """Add ``--config``: inputs and options that neither the command line nor a variable sets."""
    return option(
        "--config",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        metavar="FILE",
        is_eager=True,
        expose_value=False,
        callback=_load_config,
        common=True,
        help='TOML file with options, such as log_format = "json"',
    )


def _load_config(ctx: click.Context, _: click.Parameter, path: Path | None) -> None:
    if path is None or ctx.resilient_parsing:  # completion does not need the values; reading may be slow
        return
    try:
        text = path.read_text(encoding="utf-8-sig")
        values = tomllib.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        raise SettingsError(f"--config {path} cannot be read: {error}.", "Correct the file.") from error
    known = {
        param.name: param
        for param in ctx.command.params
        if isinstance(param, Option) or param.name == _INPUTS
    }
    del known["config"]
    ctx.default_map = dict(ctx.default_map or {})
    for key, value in values.items():
        param, place = known.get(key.replace("-", "_")), _place(path, text, key)
        if param is None:
            raise SettingsError(f"--config {place}: unknown option {key!r}.", _suggest_names(key, known))
        ctx.default_map[str(param.name)] = _to_words(place, key, value, param)
        ctx.meta.setdefault(PLACES, {})[param.name] = place


def _place(path: Path, text: str, key: str) -> str:
    """The file and line of a key, or only the file if a text in it looks like the key."""
    found = list(re.finditer(rf"""^[ \t]*["']?{re.escape(key)}["']?[ \t]*=""", text, re.MULTILINE))
    return f"{path}, line {text.count(chr(10), 0, found[0].start()) + 1}" if len(found) == 1 else str(path)


def _suggest_names(key: str, known: Iterable[str | None]) -> str:
    similar = difflib.get_close_matches(key.replace("-", "_"), [name for name in known if name])
    if similar:
        return f"Did you mean {' or '.join(similar)}?"
    return "Use the names of the command-line options, such as num_beams for --num-beams."


def _to_words(place: str, key: str, value: Any, param: click.Parameter) -> Any:
    """Convert a TOML value to what Click gets from the command line, so that it is checked the same way."""
    hint = f"See the help of {param.opts[-1]}."
    if param.multiple or param.nargs == -1:
        hint = "Write a string or a list of strings."
        value = value if isinstance(value, list) else [value]
        if all(isinstance(item, str) for item in value):
            return value
    elif isinstance(value, bool):
        if isinstance(param, click.Option) and param.is_flag:
            return value
    elif isinstance(value, str) or (isinstance(value, int | float) and _is_number(param)):
        return str(value)
    raise SettingsError(f"--config {place}: {value!r} is not a valid value of {key}.", hint)


def _is_number(param: click.Parameter) -> bool:
    return isinstance(param.type, click.types.IntParamType | click.types.FloatParamType)


def preset_option() -> Callable[[Decorated], Decorated]:
    """Add ``--preset``: values for options that are set nowhere else."""
    return option(
        "--preset",
        type=click.Choice(list(PRESETS)),
        metavar="PRESET",
        is_eager=True,
        callback=_load_preset,
        common=True,
        help=f"Defaults for a purpose: {', '.join(PRESETS)}. Other options override them.",
    )


def _load_preset(ctx: click.Context, param: click.Parameter, name: str | None) -> str | None:
    if name is not None:
        ctx.default_map = {**PRESETS[name], **(ctx.default_map or {})}
        ctx.meta[PLACES] = {**dict.fromkeys(PRESETS[name], f"--preset {name}"), **ctx.meta.get(PLACES, {})}
    return name
