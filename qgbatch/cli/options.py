"""Click options made from settings classes, and the two lengths of a command's help."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_type_hints

import click
from click.shell_completion import CompletionItem

from qgbatch.errors import QgbatchError, option_name
from qgbatch.models.checkpoint import BUILT_IN_MODELS
from qgbatch.models.known_models import KNOWN_MODELS
from qgbatch.settings import BaseSettings, choices, explain_invalid_choice

if TYPE_CHECKING:
    from click.types import OptionHelpExtra

Decorated = TypeVar("Decorated", bound=Callable[..., Any])
AnySettings = TypeVar("AnySettings", bound=BaseSettings)
Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem[str]]]

_NO_BREAK_SPACE, _NO_BREAK_HYPHEN = "\u00a0", "\u2011"
_DEFAULT_GROUP = "General"
_COMMON_HEADING = "Common options"
PLACES = "qgbatch.places"
"""Key of ``Context.meta``: where the configuration file or a preset sets an option, by its name."""
_OPTION_NAMES = re.compile(r"(?<![\w-])--?[a-z][a-z-]*")
_SHOW_ALL = "qgbatch.show_all_options"
"""Key of ``Context.meta`` that is set while ``--help-all`` is written."""


def _complete(paths: str | None, *names: str) -> Complete:
    """Complete a value with the shell's paths (``file`` or ``dir``) and with names."""

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
        # Paths come first: bash forgets the items before them.
        items = [CompletionItem(incomplete, type=paths)] if paths else []
        return [*items, *(CompletionItem(name) for name in names if name.startswith(incomplete))]

    return complete


complete_files = _complete("file")
"""Completion of arguments that are files; options are completed by their metavar."""

_ENCODINGS = (
    "big5", "cp1250", "cp1251", "cp1252", "cp437", "euc-jp", "euc-kr", "gb18030", "iso-8859-15", "koi8-r",
    "latin-1", "mac-roman", "shift-jis", "utf-16-be", "utf-16-le",
)  # fmt: skip
_COMPLETION_BY_METAVAR: dict[str | None, Complete] = {
    "FILE": complete_files,
    "DIR": _complete("dir"),
    "DIR|ID": _complete("dir"),
    "auto|DIR": _complete("dir", "auto"),
    "MODEL": _complete("dir", *BUILT_IN_MODELS, *KNOWN_MODELS),
    "DEVICE": _complete(None, "auto", "cpu", "cuda", "mps"),
    "ENCODING": _complete(None, *_ENCODINGS),
}


class Option(click.Option):
    """An option with a group, an environment variable and shell completion.

    Args:
        group: The heading of the option in the help.
        common: Whether the short help of a :class:`LongCommand` lists the option.
        metavar: The placeholder of the value; it also selects the completion.
        has_variable: Whether an environment variable sets the option. All commands with an option of this
            name share the variable.
    """

    def __init__(
        self,
        *args: Any,
        group: str = _DEFAULT_GROUP,
        common: bool = False,
        metavar: str | None = None,
        has_variable: bool = True,
        **kwargs: Any,
    ) -> None:
        complete = _COMPLETION_BY_METAVAR.get(metavar)
        super().__init__(*args, metavar=metavar, shell_complete=complete, **kwargs)
        self.group = group
        self.common = common
        self.envvar = f"QGBATCH_{self.name.upper()}" if self.name and has_variable else None

    def place(self, ctx: click.Context) -> str | None:
        """Where the value was set, such as ``QGBATCH_SEED`` or ``c.toml, line 3``.

        Returns:
            None if it is on the command line or has its default.
        """
        source = ctx.get_parameter_source(str(self.name))
        if source is click.core.ParameterSource.ENVIRONMENT:
            return f"the variable {self.envvar}"
        is_mapped = source is click.core.ParameterSource.DEFAULT_MAP
        return ctx.meta[PLACES][self.name] if is_mapped else None

    def get_error_hint(self, ctx: click.Context | None) -> str:
        """The option as Click names it in an error, with the place of its value."""
        place = ctx and self.place(ctx)
        return super().get_error_hint(ctx) + (f" ({place})" if place else "")

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Write a flag and its opposite as ``--[no-]cache``; break no line at a hyphen or a default."""
        record = super().get_help_record(ctx)
        if record is None:
            return None
        name = f"--[no-]{self.opts[0].removeprefix('--')}" if self.secondary_opts else record[0]
        text = record[1].replace("-", _NO_BREAK_HYPHEN)
        return name, text.replace("[default: ", f"[default:{_NO_BREAK_SPACE}")

    def get_help_extra(self, ctx: click.Context) -> OptionHelpExtra:
        """Write the default of a flag as yes or no, and leave out ranges."""
        extra = super().get_help_extra(ctx)
        extra.pop("range", None)
        if self.secondary_opts and "default" in extra:
            extra["default"] = "no" if f"--{extra['default']}" in self.secondary_opts else "yes"
        return extra


def option(*names: str, **attributes: Any) -> Callable[[Decorated], Decorated]:
    """A decorator that adds an :class:`Option` to a command."""
    return click.option(*names, cls=Option, **attributes)


class Command(click.Command):
    """A command whose help lists the options in groups, with all texts in one column.

    An error that names an option also says where the option was set, unless on the command line.
    """

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except QgbatchError as error:
            error.message = self._with_places(error.message, ctx)
            raise
        except click.UsageError as error:
            raise click.UsageError(self._with_places(error.message, ctx), ctx) from error

    def _with_places(self, message: str, ctx: click.Context) -> str:
        """Add a sentence for each option in a message that is set elsewhere than on the command line."""
        named, sentences = set(_OPTION_NAMES.findall(message)), [message]
        for each in self.params:
            names = named.intersection(each.opts + each.secondary_opts)
            place = each.place(ctx) if names and isinstance(each, Option) else None
            if place:
                sentences.append(f"{min(names)} is set by {place}.")
        return " ".join(sentences)

    def get_help(self, ctx: click.Context) -> str:
        """The help, with plain characters after the lines have been wrapped."""
        return super().get_help(ctx).replace(_NO_BREAK_SPACE, " ").replace(_NO_BREAK_HYPHEN, "-")

    def heading(self, option: click.Option, ctx: click.Context) -> str | None:
        """The heading that the help lists an option under; ``None`` leaves the option out."""
        return getattr(option, "group", _DEFAULT_GROUP)  # Click's own --help has no group

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write one section per group, in the order of their first options; required options come first."""
        options = [param for param in self.get_params(ctx) if isinstance(param, click.Option)]
        sections: dict[str, list[tuple[str, str]]] = {
            heading: [] for each in options if (heading := self.heading(each, ctx))
        }
        for each in sorted(options, key=lambda each: not each.required):
            heading, record = self.heading(each, ctx), each.get_help_record(ctx)
            if heading and record:
                sections[heading].append(record)
        width = max(len(name) for records in sections.values() for name, _ in records)
        for heading, records in sections.items():
            with formatter.section(heading):
                formatter.write_dl([(name.ljust(width), text) for name, text in records], col_max=width)


class LongCommand(Command):
    """A command with many options: ``--help`` lists the common ones, ``--help-all`` all of them."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.append(
            click.Option(
                ["--help-all"],
                is_flag=True,
                is_eager=True,
                expose_value=False,
                callback=_print_long_help,
                help="Show all options and exit.",
            )
        )

    def heading(self, option: click.Option, ctx: click.Context) -> str | None:
        """In the short help, one heading for the common options and ``None`` for the others."""
        if ctx.meta.get(_SHOW_ALL):
            return super().heading(option, ctx)
        # Click's own --help and our --help-all are always listed.
        return _COMMON_HEADING if getattr(option, "common", True) else None


def _print_long_help(ctx: click.Context, param: click.Parameter, requested: bool) -> None:
    if requested and not ctx.resilient_parsing:
        ctx.meta[_SHOW_ALL] = True
        click.echo(ctx.get_help(), color=ctx.color)
        ctx.exit()


class _Choice(click.Choice[str]):
    """A choice whose error message explains why float16 is not offered."""

    def get_invalid_choice_message(self, value: Any, ctx: click.Context | None) -> str:
        return explain_invalid_choice(value) + super().get_invalid_choice_message(value, ctx)


def settings_options(settings_class: type[BaseSettings]) -> Callable[[Decorated], Decorated]:
    """A decorator that adds an option for each field of a settings class."""

    def decorate(function: Decorated) -> Decorated:
        hints = get_type_hints(settings_class)
        for spec in reversed(dataclasses.fields(settings_class)):
            function = _settings_option(spec, hints[spec.name])(function)
        return function

    return decorate


def _settings_option(spec: dataclasses.Field[Any], hint: Any) -> Callable[[Decorated], Decorated]:
    types = [each for each in (hint, *get_args(hint)) if each in (bool, int, float)]
    name = option_name(spec.name)
    if types == [bool]:
        name += "/" + option_name("no_" + spec.name)
        attributes: dict[str, Any] = {}
    elif choices(hint):
        attributes = {"type": _Choice(choices(hint)), "metavar": spec.name.upper()}
    elif types:
        attributes = {"type": types[0], "metavar": "N" if types == [int] else "X"}
    else:
        attributes = {"multiple": isinstance(spec.default, tuple), "metavar": spec.name.upper()}
    if spec.metadata["metavar"]:
        attributes["metavar"] = spec.metadata["metavar"]
    return option(
        name,
        group=spec.metadata["group"],
        common=spec.metadata["common"],
        default=spec.default,
        show_default=spec.default not in (None, ()),
        help=spec.metadata["help"],
        **attributes,
    )


def build_settings(settings_class: type[AnySettings], values: dict[str, Any]) -> AnySettings:
    """Create a settings object from the option values that belong to its fields."""
    names = [spec.name for spec in dataclasses.fields(settings_class)]
    return settings_class(**{name: values[name] for name in names})
