"""Text -> the ids that the model was trained on."""

from __future__ import annotations

import json
import logging
import re
import shutil
from itertools import pairwise
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from qgbatch.errors import ModelError
from qgbatch.models.checkpoint import find_model
from qgbatch.models.known_models import ModelMetadata
from qgbatch.models.tokenizer import PromptTokenizer, load_new_tokenizer, load_tokenizer
from tests.conftest import MINI

SAMPLES = Path(__file__).parent.parent.parent / "samples"
TEXTS = [
    "The ferry crosses at noon.",
    "Zwei  Fähren\nlegen ab; „eine“ kehrt um.",
    "\t ends with space ",
    "ﬁve ① ½ 🫖 茶",
    "1 < 2 and 3 > 2",
    "word " * 600,
    "",
]


@pytest.fixture(scope="module")
def mini() -> PromptTokenizer:
    return load_tokenizer(find_model(str(MINI)))


@pytest.fixture(scope="module")
def notebook(own_tokenizer_checkpoint: Path) -> PromptTokenizer:
    """The prompt of a checkpoint without metadata."""
    return load_tokenizer(find_model(str(own_tokenizer_checkpoint)))


@pytest.mark.parametrize("text", TEXTS)
def test_ids_equal_the_notebook_s_with_two_end_tokens(
    text: str, notebook: PromptTokenizer, own_tokenizer_checkpoint: Path
) -> None:
    tokenizer = AutoTokenizer.from_pretrained(own_tokenizer_checkpoint)
    (ids,) = notebook.encode([text])
    assert list(ids) == tokenizer.encode("generate questions: " + text + " </s>", verbose=False)
    assert ids[-2:] == (1, 1)
    assert ids[-3] != 1


@pytest.mark.parametrize("text", TEXTS)
def test_mini_s_inputs_have_one_end_token(text: str, mini: PromptTokenizer) -> None:
    tokenizer = AutoTokenizer.from_pretrained(MINI)
    (ids,) = mini.encode([text])
    assert list(ids) == tokenizer.encode("generate questions: " + text, verbose=False)
    assert ids[-1] == 1
    assert ids[-2] != 1


@pytest.mark.parametrize("token", ["</s>", "<pad>", "<unk>", "<extra_id_0>", "<sep>", "<hl>"])
def test_a_token_that_a_text_spells_out_is_text(token: str, notebook: PromptTokenizer) -> None:
    text = f"The tag {token} ends it."
    ids = notebook.hf_tokenizer.get_vocab()[token]
    (prompt,) = notebook.encode([""])
    for encoded in (notebook.encode([text])[0], notebook.encode([""], [text])[0]):
        assert encoded.count(ids) == prompt.count(ids)
    (target,) = notebook.encode_targets([[text]])
    assert target.count(ids) == notebook.encode_targets([["What?"]])[0].count(ids)
    assert len(notebook.token_ends(text)) == notebook.count_tokens([text])[0]
    assert notebook.token_ends(text)[-1] == len(text)


def test_an_answer_that_spells_out_a_token_is_text() -> None:
    tokenizer = load_new_tokenizer(str(MINI), ModelMetadata(answer_separator="<ans>"))
    (target,) = tokenizer.encode_targets([["What ends it?"]], [["<ans> or <sep>"]])
    assert sum(token in tokenizer.answer_separator_ids for token in target) == 1
    assert sum(token in tokenizer.separator_ids for token in target) == 0


def test_a_long_text_is_not_truncated_and_gives_no_warning(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("transformers"), "propagate", True)
    tokenizer = load_tokenizer(find_model(str(MINI)))  # anew: a tokenizer warns once
    assert len(tokenizer.encode(["word " * 600])[0]) > 600
    assert caplog.text == ""


def test_a_text_has_the_same_ids_in_any_list(mini: PromptTokenizer) -> None:
    assert mini.encode(TEXTS) == [mini.encode([text])[0] for text in TEXTS]
    assert mini.encode([]) == []
    assert mini.count_tokens([]) == []


@pytest.mark.parametrize("sample", sorted(path.name for path in SAMPLES.iterdir()))
def test_counts_of_sentences_add_up_at_white_space(sample: str, mini: PromptTokenizer) -> None:
    text = (SAMPLES / sample).read_text(encoding="utf-8")
    sentences = re.split(r"(?<=[.!?])\s+", text)
    assert len(sentences) > 3
    assert sum(mini.count_tokens(sentences)) == mini.count_tokens([text])[0]
    (ids,) = mini.encode([text])
    assert len(ids) == mini.n_prompt_tokens + sum(mini.count_tokens(sentences))


@pytest.mark.parametrize("text", ["Tea 🫖 and 茶, ﬁne.", "a  b\n\nc", "Donaudampfschifffahrt"])
def test_token_ends_ascend_in_code_points_to_the_end_of_the_text(text: str, mini: PromptTokenizer) -> None:
    ends = mini.token_ends(text)
    assert len(ends) == mini.count_tokens([text])[0]
    assert all(before <= after for before, after in pairwise(ends))
    assert ends[-1] == len(text)


def test_tokens_end_where_words_end(mini: PromptTokenizer) -> None:
    text = "Tea 🫖 grows here"
    word_ends = {match.end() for match in re.finditer(r"\S+", text)}
    assert word_ends <= set(mini.token_ends(text))


def test_a_tokenizer_without_a_fast_form_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "t5"}')
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "ByT5Tokenizer"}')
    with pytest.raises(ModelError, match="ByT5Tokenizer has no fast form"):
        load_new_tokenizer(str(tmp_path), ModelMetadata())


def test_decoding_removes_special_tokens_and_keeps_spaces(mini: PromptTokenizer) -> None:
    (ids,) = mini.encode(["Who does n't drink tea ?"])
    assert mini.decode([0, *ids, 0]) == "generate questions: Who does n't drink tea ?"


def test_a_missing_separator_is_added_with_the_next_id(
    weights_only_checkpoint: Path, bare_tokenizer: Path
) -> None:
    n_tokens = len(AutoTokenizer.from_pretrained(bare_tokenizer))
    tokenizer = load_tokenizer(find_model(str(weights_only_checkpoint)), str(bare_tokenizer))
    assert tokenizer.separator_ids == {n_tokens} == {8100}


def test_an_existing_separator_keeps_its_id(notebook: PromptTokenizer, mini: PromptTokenizer) -> None:
    assert notebook.separator_ids == mini.separator_ids == {8100}
    assert (notebook.pad_id, notebook.eos_id, notebook.unk_id) == (0, 1, 2)


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("The ferry crosses at noon.", 0),
        ("渡轮中午过河。", 1),
        ("Паром отходит в полдень", 1),
        ("tea 茶", 1 / 4),
        ("teaм", 1),  # a word with one unknown letter cannot be read
        ("ﬁve cafe\u0301s", 0),
        ("1872 \U0001fad6 ∑ ∅", 0),
        ("", 0),
    ],
)
def test_the_share_of_letters_in_words_with_an_unknown_letter(
    text: str, share: float, mini: PromptTokenizer
) -> None:
    assert mini.unknown_share(text) == share


def test_a_tokenizer_that_falls_back_to_bytes_knows_every_letter(tmp_path: Path) -> None:
    values = json.loads((MINI / "tokenizer.json").read_text())
    values["model"]["byte_fallback"] = True
    values["model"]["vocab"] += [[f"<0x{byte:02X}>", -20.0] for byte in range(256)]
    (tmp_path / "tokenizer.json").write_text(json.dumps(values))
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "unk_token": "<unk>"}
    config |= {"pad_token": "<pad>", "eos_token": "</s>"}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    tokenizer = load_new_tokenizer(str(tmp_path), ModelMetadata())
    assert tokenizer.unknown_share("渡轮 Паром") == 0


def test_a_tokenizer_that_its_library_panics_at_is_damaged(tmp_path: Path) -> None:
    shutil.copytree(MINI, tmp_path / "model")
    path = tmp_path / "model" / "tokenizer.json"
    text, name = path.read_text(encoding="utf-8"), '"precompiled_charsmap": "'
    assert name in text
    path.write_text(text.replace(name, f"{name}<"), encoding="utf-8")
    with pytest.raises(ModelError, match=r"the tokenizer cannot be loaded .*Get the checkpoint again"):
        load_tokenizer(find_model(str(tmp_path / "model")))
