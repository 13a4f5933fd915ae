"""Settings classes -> Click options, in groups, with configuration file and environment."""

from __future__ import annotations

import dataclasses
import difflib
import tomllib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_type_hints

import click
from click.shell_completion import CompletionItem

from qgbatch.cli.presets import PRESETS
from qgbatch.errors import SettingsError
from qgbatch.models.checkpoint import EMBEDDED_MODELS
from qgbatch.models.known_models import KNOWN_MODELS
from qgbatch.settings import choices, option_name, why_refused

if TYPE_CHECKING:
    from click.types import OptionHelpExtra

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem[str]]]


def _offer(place: str | None, *names: str) -> Complete:
    """What a shell completes a value with: its own files (``file``) or directories (``dir``), and names."""

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
        # The place first: at it, bash forgets what came before.
        places = [CompletionItem(incomplete, type=place)] if place else []
        return [*places, *(CompletionItem(name) for name in names if name.startswith(incomplete))]

    return complete


complete_files = _offer("file")
"""For arguments, as ``shell_complete``; options get theirs by their metavars."""

_ENCODINGS = (
    "big5", "cp1250", "cp1251", "cp1252", "cp437", "euc-jp", "euc-kr", "gb18030", "iso-8859-15", "koi8-r",
    "latin-1", "mac-roman", "shift-jis", "utf-16-be", "utf-16-le",
)  # fmt: skip
_COMPLETE: dict[str | None, Complete] = {
    "FILE": complete_files,
    "DIR": _offer("dir"),
    "DIR|ID": _offer("dir"),
    "auto|DIR": _offer("dir", "auto"),
    "MODEL": _offer("dir", *EMBEDDED_MODELS, *KNOWN_MODELS),
    "DEVICE": _offer(None, "auto", "cpu", "cuda", "mps"),
    "ENCODING": _offer(None, *_ENCODINGS),
}


class GroupedOption(click.Option):
    """An option that knows its heading in ``--help``, its environment variable and its completion."""

    def __init__(
        self, *args: Any, group: str = "General", metavar: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, metavar=metavar, shell_complete=_COMPLETE.get(metavar), **kwargs)
        self.group = group
        self.envvar = f"QGBATCH_{self.name.upper()}" if self.name else None

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Write a flag and its opposite as one, ``--[no-]cache``; no line ends in ``[default:``."""
        record = super().get_help_record(ctx)
        if record is None:
            return None
        name = f"--[no-]{self.opts[0].removeprefix('--')}" if self.secondary_opts else record[0]
        return name, record[1].replace("[default: ", "[default:\xa0")

    def get_help_extra(self, ctx: click.Context) -> OptionHelpExtra:
        """Write the default of a flag as yes or no; leave ranges to the error messages."""
        extra = super().get_help_extra(ctx)
        extra.pop("range", None)
        if self.secondary_opts and "default" in extra:
            extra["default"] = "no" if f"--{extra['default']}" in self.secondary_opts else "yes"
        return extra


class _Choice(click.Choice[str]):
    """Says why where a value is refused for a reason."""

    def get_invalid_choice_message(self, value: Any, ctx: click.Context | None) -> str:
        return why_refused(value) + super().get_invalid_choice_message(value, ctx)


def _group(option: click.Option) -> str:
    return getattr(option, "group", "General")  # Click's own --help has none


class GroupedCommand(click.Command):
    """Lists its options under the headings of their groups, with all their texts in one column."""

    def get_help(self, ctx: click.Context) -> str:
        """The help, whose unbreakable spaces have done their work."""
        return super().get_help(ctx).replace("\xa0", " ")

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write one section per group, in the order of their first options; first what is required."""
        options = [param for param in self.get_params(ctx) if isinstance(param, click.Option)]
        groups: dict[str, list[tuple[str, str]]] = {_group(option): [] for option in options}
        for option in sorted(options, key=lambda option: not option.required):
            if record := option.get_help_record(ctx):
                groups[_group(option)].append(record)
        width = max(len(name) for records in groups.values() for name, _ in records)
        for group, records in groups.items():
            with formatter.section(group):
                formatter.write_dl([(name.ljust(width), text) for name, text in records], col_max=width)


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
        kwargs: dict[str, Any] = {}
    elif choices(hint):
        kwargs = {"type": _Choice(choices(hint)), "metavar": spec.name.upper()}
    elif kinds:
        kwargs = {"type": kinds[0], "metavar": "N" if kinds == [int] else "X"}
    else:
        kwargs = {"multiple": isinstance(spec.default, tuple), "metavar": spec.name.upper()}
    if spec.metadata["metavar"]:
        kwargs["metavar"] = spec.metadata["metavar"]
    return click.option(
        name,
        cls=GroupedOption,
        group=spec.metadata["group"],
        default=spec.default,
        show_default=spec.default not in (None, ()),
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
        (("--hub-dataset-id",), {"metavar": "ID", "help": "Its name there.  [default: the directory's]"}),
        (
            ("--push-to-hub/--no-push-to-hub",),
            {"help": "Publish it on the Hugging Face hub.", "show_default": True},
        ),
        (
            ("--license", "license_name"),
            {"metavar": "ID", "help": "Licence for the card, such as cc-by-sa-4.0."},
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
        metavar="FILE",
        is_eager=True,
        expose_value=False,
        callback=_load_config,
        cls=GroupedOption,
        help="TOML file with options by their long names, such as: num_beams = 1",
    )


def _load_config(ctx: click.Context, param: click.Parameter, path: Path | None) -> None:
    if path is None or ctx.resilient_parsing:  # completion: the file may be slow, and says nothing to it
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
            raise SettingsError(f"--config {path}: unknown option {key!r}.", _hint(key, options))
        ctx.default_map[str(option.name)] = _config_value(path, key, value, option)


def _hint(key: str, options: Iterable[str | None]) -> str:
    near = difflib.get_close_matches(key.replace("-", "_"), [name for name in options if name])
    if near:
        return f"Did you mean {' or '.join(near)}?"
    return "The names are those of --help, such as num_beams for --num-beams."


def preset_option() -> Callable[[Decorated], Decorated]:
    """``--preset``: values for options that are given nowhere else."""
    return click.option(
        "--preset",
        type=click.Choice(list(PRESETS)),
        metavar="PRESET",
        is_eager=True,
        callback=_load_preset,
        cls=GroupedOption,
        help=f"Settings that go together: {', '.join(PRESETS)}. They are printed, and those given "
        "otherwise are left alone.",
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
