"""Options that several commands share, besides those of the settings classes."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import click

from qgbatch.cli.options import Decorated, option
from qgbatch.errors import SettingsError

_FILE_SUFFIXES = (
    ".bin", ".csv", ".gz", ".html", ".json", ".jsonl", ".md", ".parquet", ".safetensors", ".tsv", ".txt",
    ".zip",
)  # fmt: skip


def report_options(function: Decorated) -> Decorated:
    """A decorator that adds ``--report`` and ``--failures``, the files written beside the output."""
    for name, metavar, common, text in (
        ("--failures", "FILE.jsonl", False, "Write one line for each document that failed."),
        ("--report", "FILE.json", True, "Write a summary: counts, times, failures, model, settings."),
    ):
        path_type = click.Path(path_type=Path)
        decorate = option(name, type=path_type, metavar=metavar, group="Output", common=common, help=text)
        function = decorate(function)
    return function


def output_dir_option(text: str, *, common: bool = False) -> Callable[[Decorated], Decorated]:
    """A decorator that adds ``--output-dir``; it refuses the name of a file."""
    return option(
        "-o",
        "--output-dir",
        required=True,
        type=click.Path(path_type=Path),
        metavar="DIR",
        group="Output",
        common=common,
        has_variable=False,
        callback=_check_directory_name,
        help=text,
    )


def _check_directory_name(ctx: click.Context, param: click.Parameter, path: Path) -> Path:
    if path.suffix.lower() in _FILE_SUFFIXES and not os.path.isdir(path) and not ctx.resilient_parsing:
        raise SettingsError(
            f"-o {path}: {ctx.command_path} writes a directory, and {path.suffix} is the suffix of a file.",
            f"Name a directory, such as -o {path.with_suffix('')}.",
        )
    return path


def dataset_options(function: Decorated) -> Decorated:
    """A decorator that adds ``--license`` and the options for publishing a dataset."""
    for decorate in (
        option(
            "--hub-dataset-id",
            metavar="ID",
            group="Output",
            help="Repository on the hub.  [default: the name of the output directory]",
        ),
        option(
            "--push-to-hub/--no-push-to-hub",
            group="Output",
            show_default=True,
            help="Publish the dataset on the Hugging Face hub.",
        ),
        option(
            "--license",
            "license_name",
            metavar="ID",
            group="Output",
            help="Licence to state on the card, such as cc-by-sa-4.0.",
        ),
    ):
        function = decorate(function)
    return function
