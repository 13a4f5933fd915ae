"""``qgbatch models``."""

from __future__ import annotations

import click

from qgbatch.cli.options import Command

_WRITES = {
    "questions": "questions",
    "question-answer": "questions and answers",
    "query": "search queries, sampled",
}


_EPILOG = """\b
Examples:
  qgbatch models
  qgbatch run docs/ -o questions.parquet --model valhalla/t5-base-e2e-qg
"""


@click.command(cls=Command, epilog=_EPILOG)
def models() -> None:
    """List the models that qgbatch knows.

    Each line has the name for --model, what the model writes, and its licence. The model mini is part of
    qgbatch; the others are downloaded from the hub when they are first used.

    Any other checkpoint is used like the notebook's models. A file qgbatch.json beside its weights can set
    another prompt and separator.
    """
    from qgbatch.models.checkpoint import EMBEDDED_MODELS, find_model
    from qgbatch.models.known_models import KNOWN_MODELS

    embedded = [(name, find_model(name).metadata) for name in EMBEDDED_MODELS]
    known = [(name, model.metadata) for name, model in KNOWN_MODELS.items()]
    width = max(len(name) for name, _ in known)
    for name, metadata in [*embedded, *known]:
        license_name = metadata.license or "licence: see its page"
        click.echo(f"{name:<{width}}  {_WRITES[metadata.parser]:<21}  {license_name}")
