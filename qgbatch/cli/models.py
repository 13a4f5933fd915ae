"""``qgbatch models``."""

from __future__ import annotations

import click

from qgbatch.cli.options import Command
from qgbatch.cli.result import print_result

_EPILOG = """\b
Examples:
  qgbatch models
  qgbatch run docs/ -o questions.parquet --model valhalla/t5-base-e2e-qg
"""


@click.command(cls=Command, epilog=_EPILOG)
def models() -> None:
    """List the models that qgbatch knows.

    Each line has the name for --model, what the model writes, and its licence. The model small is part
    of qgbatch; the others are downloaded from the hub when they are first used.

    Any other checkpoint is used like the notebook's models. A file qgbatch.json beside its weights can set
    another prompt and separator.
    """
    from qgbatch.models.checkpoint import BUILT_IN_MODELS, find_model
    from qgbatch.models.known_models import KNOWN_MODELS

    built_in = [(name, find_model(name).metadata) for name in BUILT_IN_MODELS]
    known = [(name, model.metadata) for name, model in KNOWN_MODELS.items()]
    lines = [
        (name, metadata.output_format.description, metadata.license or "licence: see its page")
        for name, metadata in [*built_in, *known]
    ]
    name_width, output_width = (max(map(len, column)) for column in list(zip(*lines, strict=True))[:2])
    print_result(
        "\n".join(
            f"{name:<{name_width}}  {output:<{output_width}}  {license_name}"
            for name, output, license_name in lines
        )
    )
