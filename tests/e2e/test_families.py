"""Checkpoints of other families: questions with answers, and drawn search queries."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from qgbatch import generate_questions
from qgbatch.errors import SettingsError
from qgbatch.models.known_models import KNOWN_MODELS, ModelMetadata
from qgbatch.settings import Options
from tests.support.training import make_base

TEXTS = [
    "The old bridge of Arnhem was opened in 1935. It was destroyed in the war.",
    "Bees fly.",
    "The lighthouse was built of oak and stone by a man from Yorkshire in the year 1759.",
]
WRITTEN = "question: What was opened?, answer: bridge | question: When was it destroyed?, answer: in winter"


@pytest.fixture(scope="module")
def query_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Laid out like doc2query's: no prefix, no separator, outputs that are drawn; trained to end them."""
    import torch
    from transformers import T5ForConditionalGeneration

    directory = make_base(tmp_path_factory.mktemp("queries") / "model")
    known = KNOWN_MODELS["doc2query/msmarco-t5-base-v1"]
    write_metadata(directory, known.metadata)
    model = T5ForConditionalGeneration.from_pretrained(directory)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    for _ in range(120):
        words = torch.randint(100, 200, (16, 3))
        labels = torch.cat([words, torch.ones(16, 1, dtype=torch.long)], dim=1)
        model(input_ids=words, labels=labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.save_pretrained(directory)
    (directory / "generation_config.json").write_text(json.dumps({**known.decoding, "max_new_tokens": 8}))
    return directory


@pytest.fixture(scope="module")
def answering_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Laid out like lmqg's, and trained to write one output whatever it reads."""
    import torch
    from tokenizers import AddedToken
    from transformers import AutoTokenizer, T5ForConditionalGeneration

    directory = make_base(tmp_path_factory.mktemp("answers") / "model")
    known = KNOWN_MODELS["lmqg/t5-base-squad-qag"]
    write_metadata(directory, known.metadata)
    tokenizer = AutoTokenizer.from_pretrained(directory)
    tokenizer.add_tokens([AddedToken("|", normalized=False)])  # T5's own vocabulary has it
    model = T5ForConditionalGeneration.from_pretrained(directory)
    labels = tokenizer(WRITTEN, return_tensors="pt").input_ids
    inputs = tokenizer(TEXTS, return_tensors="pt", padding=True)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    for _ in range(120):
        loss = model(**inputs, labels=labels.repeat(len(TEXTS), 1)).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    assert loss.item() < 0.1
    model.save_pretrained(directory)
    decoding = {**known.decoding, "num_beams": 1, "max_new_tokens": 60}
    (directory / "generation_config.json").write_text(json.dumps(decoding))
    return directory


def write_metadata(directory: Path, metadata: ModelMetadata) -> None:
    fields = ("prefix", "suffix", "separator", "parser")
    values = {name: getattr(metadata, name) for name in fields}
    (directory / "qgbatch.json").write_text(json.dumps(values))


def test_queries_are_drawn_several_for_each_chunk(query_model: Path) -> None:
    questions = generate_questions(TEXTS, model=str(query_model), dedupe="none")
    per_text = [sum(q.chunk.document.source == str(index) for q in questions) for index in range(3)]
    assert all(n == 5 for n in per_text), per_text
    assert len({q.question for q in questions}) > 5


def test_a_draw_depends_on_chunk_and_seed_alone(query_model: Path) -> None:
    def draw(texts: list[str], seed: int = 42, batch_tokens: int = 4096) -> list[tuple[str, float]]:
        questions = generate_questions(
            texts, model=str(query_model), dedupe="none", seed=seed, batch_tokens=batch_tokens
        )
        return [(q.question, q.score) for q in questions]

    together = draw(TEXTS)
    alone = [made for text in reversed(TEXTS) for made in draw([text], batch_tokens=1)]
    assert sorted(text for text, _ in together) == sorted(text for text, _ in alone)
    assert [s for _, s in sorted(together)] == pytest.approx([s for _, s in sorted(alone)], abs=2e-4)
    assert draw(TEXTS, seed=7) != together


def test_questions_come_with_their_answers(answering_model: Path) -> None:
    questions = generate_questions(TEXTS[:1], model=str(answering_model))
    assert [(q.question, q.answer) for q in questions] == [("What was opened?", "bridge")]
    start = questions[0].answer_start_char
    assert start is not None
    assert TEXTS[0][start:].startswith("bridge")


def test_what_does_not_go_together_is_refused(query_model: Path) -> None:
    cases: tuple[tuple[Options, str], ...] = (
        ({"num_beams": 4}, "uses one beam"),
        ({"do_sample": False}, "has at most as many outputs"),
        ({"engine": "ctranslate2"}, "cannot sample"),
    )
    for options, message in cases:
        options["model"] = str(query_model)
        with pytest.raises(SettingsError, match=message):
            generate_questions(TEXTS, **options)
