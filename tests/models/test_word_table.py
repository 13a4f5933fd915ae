from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, pre_tokenizers

from qgbatch.models import word_table as words_module
from qgbatch.models.checkpoint import find_model
from qgbatch.models.word_table import Words
from tests.conftest import SAMPLES
from tests.support.strategies import documents

TOKENIZER = Tokenizer.from_file(str(find_model("mini").directory / "tokenizer.json"))
KNOWN = Words(TOKENIZER)


def ids_of(text: str, words: Words = KNOWN) -> list[int]:
    (parts,) = words.parts([text])
    return [id_ for part in parts for id_ in part]


@settings(deadline=None, max_examples=300)
@given(text=documents | st.text())
@example("cafe \u0301 and a\u0301 \u200d\U0001f3fb")  # marks behind a space
@example("one.\x1cTwo\x85three\u2028four\xa0five")  # white space of several kinds
@example("<extra_id_0>a <sep>b </s>c d<pad> e")
@example("x" * 200 + " " + "x" * 200)
def test_ids_are_those_of_the_tokenizer(text: str) -> None:
    assert ids_of(text) == TOKENIZER.encode(text, add_special_tokens=False).ids


def test_samples_are_made_of_words() -> None:
    for path in SAMPLES.iterdir():
        text = path.read_text(encoding="utf-8")
        (parts,) = KNOWN.parts([text])
        assert len(parts) == len(text.split())
        assert ids_of(text) == TOKENIZER.encode(text, add_special_tokens=False).ids


def test_a_full_table_is_begun_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(words_module, "_MAX_WORDS", 4)
    words = Words(TOKENIZER)
    for text in ("one two three", "three four five", "one two three four five six", ""):
        assert ids_of(text, words) == TOKENIZER.encode(text, add_special_tokens=False).ids


def test_a_tokenizer_that_reaches_across_spaces_is_asked_for_whole_texts() -> None:
    tokenizer = Tokenizer.from_str(TOKENIZER.to_str())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(split=False)
    words = Words(tokenizer)
    (parts,) = words.parts(["a text of words"])
    assert len(parts) == 1
    assert list(parts[0]) == tokenizer.encode("a text of words", add_special_tokens=False).ids
