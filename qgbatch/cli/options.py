"""Settings classes -> Click options, in groups, with configuration file and environment."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, get_args, get_type_hints

import click

from qgbatch.errors import SettingsError
from qgbatch.presets import PRESETS
from qgbatch.settings import choices, option_name, why_refused

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


class GroupedOption(click.Option):
    """An option that knows its heading in ``--help`` and its environment variable."""

    def __init__(self, *args: Any, group: str = "General", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.group = group
        self.envvar = f"QGBATCH_{self.name.upper()}" if self.name else None


class _Choice(click.Choice[str]):
    """Says why where a value is refused for a reason."""

    def get_invalid_choice_message(self, value: Any, ctx: click.Context | None) -> str:
        return why_refused(value) + super().get_invalid_choice_message(value, ctx)


class GroupedCommand(click.Command):
    """Lists its options under the headings of their groups."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write one section per group, in the order of their first options."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx) if isinstance(param, click.Option) else None
            if record:
                groups.setdefault(getattr(param, "group", "General"), []).append(record)
        for group, records in groups.items():
            with formatter.section(group):
                formatter.write_dl(records)


def settings_options(settings_class: type[Any]) -> Callable[[Decorated], Decorated]:
    """A decorator that adds an option for each field of a settings class."""

    def decorate(function: Decorated) -> Decorated:
        hints = get_type_hints(settings_class)
        for spec in reversed(dataclasses.fields(settings_class)):
            function = _option(spec, hints[spec.name])(function)
        return function

    return decorate


def _option(spec: dataclasses.Field[Any], hint: Any) -> Callable[[Decorated], Decorated]:
    kinds = [kind for kind in (hint, *get_args(hint)) if kind in (bool, int, float)]
    name = option_name(spec.name)
    if kinds == [bool]:
        name += "/" + option_name("no_" + spec.name)
        kwargs: dict[str, Any] = {"show_default": bool(spec.default)}
    elif choices(hint):
        kwargs = {
            "type": _Choice(choices(hint)),
            "show_default": spec.default is not None,
            "metavar": None if len(choices(hint)) < 10 else spec.name.upper(),
        }
    else:
        kwargs = {
            "type": kinds[0] if kinds else str,
            "multiple": isinstance(spec.default, tuple),
            "show_default": spec.default not in (None, ()),
        }
    return click.option(
        name,
        cls=GroupedOption,
        group=spec.metadata["group"],
        default=spec.default,
        help=spec.metadata["help"],
        **kwargs,
    )


def side_output_options(function: Decorated) -> Decorated:
    """A decorator that adds the files beside an output: ``--report`` and ``--failures``."""
    for name, metavar, text in (
        ("--failures", "FILE.jsonl", "Write one line for each document that failed."),
        ("--report", "FILE.json", "Write counts, times, failures, model and settings of the run."),
    ):
        function = click.option(
            name,
            type=click.Path(path_type=Path),
            metavar=metavar,
            cls=GroupedOption,
            group="Output",
            help=text,
        )(function)
    return function


def data_set_options(function: Decorated) -> Decorated:
    """A decorator that adds what a data set is published with: ``--license`` and where."""
    for words, options in (
        (("--hub-dataset-id",), {"metavar": "ID", "help": "Where.  [default: the directory's name]"}),
        (("--push-to-hub/--no-push-to-hub",), {"help": "Publish it on the Hugging Face hub."}),
        (
            ("--license", "license_name"),
            {"metavar": "ID", "help": "Licence of the data for the card, such as cc-by-sa-4.0."},
        ),
    ):
        function = click.option(*words, cls=GroupedOption, group="Output", **options)(function)
    return function


def pick(settings_class: type[Any], values: dict[str, Any]) -> Any:
    """Make a settings object of the option values that are its fields."""
    return settings_class(**{spec.name: values[spec.name] for spec in dataclasses.fields(settings_class)})


def config_option() -> Callable[[Decorated], Decorated]:
    """``--config``: values for options that are not given on the command line or as variables."""
    return click.option(
        "--config",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        is_eager=True,
        expose_value=False,
        callback=_load_config,
        cls=GroupedOption,
        help="TOML file with options by their long names, such as: num_beams = 1",
    )


def _load_config(ctx: click.Context, param: click.Parameter, path: Path | None) -> None:
    if path is None:
        return
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise SettingsError(f"--config {path}: {error}.", "Correct that file.") from error
    options = {param.name: param for param in ctx.command.params if isinstance(param, GroupedOption)}
    del options["config"]
    ctx.default_map = dict(ctx.default_map or {})
    for key, value in values.items():
        option = options.get(key.replace("-", "_"))
        if option is None:
            known = ", ".join(sorted(filter(None, options)))
            raise SettingsError(f"--config {path}: unknown option {key!r}.", f"Known are: {known}.")
        ctx.default_map[str(option.name)] = _config_value(path, key, value, option)


def preset_option() -> Callable[[Decorated], Decorated]:
    """``--preset``: values for options that are given nowhere else."""
    return click.option(
        "--preset",
        type=click.Choice(list(PRESETS)),
        is_eager=True,
        callback=_load_preset,
        cls=GroupedOption,
        help="Settings that go together; they are printed, and those given otherwise are left alone.",
    )


def _load_preset(ctx: click.Context, param: click.Parameter, name: str | None) -> str | None:
    if name is not None:
        ctx.default_map = {**PRESETS[name], **(ctx.default_map or {})}
    return name


def _is_number(option: click.Option) -> bool:
    return isinstance(option.type, click.types.IntParamType | click.types.FloatParamType)


def _config_value(path: Path, key: str, value: Any, option: click.Option) -> Any:
    """A value as Click would get it from the command line, so that it is checked like one."""
    if option.multiple:
        value = value if isinstance(value, list) else [value]
        if all(isinstance(item, str) for item in value):
            return value
    elif isinstance(value, bool):
        if option.is_flag:
            return value
    elif isinstance(value, str) or (isinstance(value, int | float) and _is_number(option)):
        return str(value)
    raise SettingsError(f"--config {path}: {key} is {value!r}.", f"See {option.opts[-1]} in --help.")
