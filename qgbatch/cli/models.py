"""``qgbatch models``."""

from __future__ import annotations

import click

from qgbatch.cli.options import GroupedCommand

_EPILOG = """\b
Examples:
  qgbatch models
  qgbatch run docs/ -o questions.parquet --model valhalla/t5-base-e2e-qg
"""


@click.command(cls=GroupedCommand, epilog=_EPILOG)
def models() -> None:
    """List the models that --model knows by name.

    All but mini are fetched from the hub at their first use. A checkpoint in a directory, or
    under another id, is taken for one of the notebook's unless a qgbatch.json beside its weights
    says otherwise.
    """
    from qgbatch.models.checkpoint import EMBEDDED_MODELS, find_model
    from qgbatch.models.known_models import KNOWN_MODELS

    embedded = [(name, find_model(name).metadata) for name in EMBEDDED_MODELS]
    known = [(name, model.metadata) for name, model in KNOWN_MODELS.items()]
    width = max(len(name) for name, _ in known)
    for name, metadata in [*embedded, *known]:
        license_name = metadata.license or "licence: see its page"
        click.echo(f"{name:<{width}}  {metadata.output_format.description:<21}  {license_name}")
