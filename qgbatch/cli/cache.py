"""``qgbatch cache``."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import click

from qgbatch.cli.logs import on_one_line
from qgbatch.cli.options import Command, option
from qgbatch.cli.result import print_result
from qgbatch.errors import display
from qgbatch.settings import CacheSettings

_EPILOG = """\b
Examples:
  qgbatch cache {0}
  qgbatch cache {0} --cache-dir /var/cache/qgbatch
"""

_cache_dir = option(
    "--cache-dir",
    metavar="DIR",
    help="Cache directory.  [default: the user's cache directory]",
)


@click.group(epilog="\b\nExamples:\n  qgbatch cache info\n  qgbatch cache clear\n")
def cache() -> None:
    """Show or clear the cache.

    The cache holds the results of chunks and converted models, so that later runs can reuse them.
    """


@cache.command(cls=Command, epilog=_EPILOG.format("info"))
@_cache_dir
def info(*, cache_dir: str | None) -> None:
    """Print the location and size of the cache."""
    _print_info(CacheSettings(cache_dir=cache_dir).directory)


@cache.command(cls=Command, epilog=_EPILOG.format("clear"))
@_cache_dir
def clear(*, cache_dir: str | None) -> None:
    """Delete the cached results and models; safe during a run."""
    from qgbatch.engines.converted import clear_conversions
    from qgbatch.pipeline.sqlite_store import FILE_NAME, SqliteStore

    settings = CacheSettings(cache_dir=cache_dir)
    if (settings.directory / FILE_NAME).exists():
        with closing(SqliteStore(settings.directory, settings.max_bytes)) as store:
            store.clear()
    clear_conversions(settings.directory)
    _print_info(settings.directory)


def _print_info(directory: Path) -> None:
    from qgbatch.engines.converted import find_conversions

    n_entries, n_bytes = _results(directory)
    models = find_conversions(directory)
    n_model_bytes = sum(path.stat().st_size for model in models for path in model.iterdir())
    print_result(
        f"directory  {on_one_line(display(str(directory)))}\n"
        f"results    {n_entries:,} entries, {n_bytes / 1e6:,.1f} MB\n"
        f"models     {len(models)} converted, {n_model_bytes / 1e6:,.1f} MB"
    )


def _results(directory: Path) -> tuple[int, int]:
    from qgbatch.pipeline.sqlite_store import FILE_NAME, SqliteStore

    if not (directory / FILE_NAME).exists():
        return 0, 0
    with closing(SqliteStore(directory, CacheSettings().max_bytes)) as store:
        return store.size()
