"""The metadata of a trained model: prompt and separators with and without answers."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest

from qgbatch.models.known_models import KNOWN_MODELS, ModelMetadata
from qgbatch.training.metadata import metadata_fields, trained_metadata

PLAIN = ModelMetadata(suffix="", target_tokens=96, license="mit")
ANSWERS = replace(PLAIN, prefix="generate questions and answers: ", answer_separator="<ans>")
OWN = replace(PLAIN, prefix="ask: ", answer_separator="[A]")
QUERIES = KNOWN_MODELS["doc2query/all-t5-base-v1"].metadata
LMQG = KNOWN_MODELS["lmqg/t5-base-squad-qag"].metadata


@pytest.mark.parametrize(
    ("base", "with_answers", "trained"),
    [
        (PLAIN, False, PLAIN),
        (PLAIN, True, ANSWERS),
        (OWN, True, OWN),
        (OWN, False, PLAIN),
        (QUERIES, False, replace(QUERIES, prefix=PLAIN.prefix, parser="questions")),
        (
            QUERIES,
            True,
            replace(QUERIES, prefix=ANSWERS.prefix, answer_separator="<ans>", parser="questions"),
        ),
        (
            replace(QUERIES, answer_separator="[A]"),
            True,
            replace(QUERIES, prefix=ANSWERS.prefix, answer_separator="<ans>", parser="questions"),
        ),
        (LMQG, False, replace(LMQG, prefix=PLAIN.prefix, parser="questions")),
        (LMQG, True, replace(LMQG, prefix=ANSWERS.prefix, answer_separator="<ans>", parser="questions")),
    ],
)
def test_the_form_is_that_of_the_training_data(
    base: ModelMetadata, with_answers: bool, trained: ModelMetadata
) -> None:
    assert trained_metadata(base, with_answers=with_answers) == trained
    assert bool(trained.output_format.pair_pattern) == with_answers
    assert trained.separator in trained.tokens


def test_the_file_has_no_fields_that_the_model_lacks() -> None:
    optional = {"answer_separator", "context_separator", "language"}
    assert asdict(PLAIN).keys() - metadata_fields(PLAIN).keys() == optional
    assert metadata_fields(OWN)["answer_separator"] == "[A]"
