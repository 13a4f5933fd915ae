"""Finding a checkpoint that answers, and refusing what is none or would do harm."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer, BertConfig, BertModel

from qgbatch.errors import ModelError, SettingsError
from qgbatch.questions.answers.answerer import Answerer, find_answer_model
from qgbatch.questions.answers.strides import ModelLimits, StrideMaker
from tests.conftest import MINI
from tests.support.answering import edit_json, make_answer_model

PAIR = ("Where was it?", "The lighthouse stood on the island of Pharos.")


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_answer_model(tmp_path_factory.mktemp("good"), "bert")


@pytest.fixture
def checkpoint(good: Path, tmp_path: Path) -> Path:
    return shutil.copytree(good, tmp_path / "model")


def test_a_directory_is_used_as_it_is_and_has_no_revisions(checkpoint: Path) -> None:
    assert find_answer_model(str(checkpoint)) == checkpoint
    with pytest.raises(SettingsError, match="has no revisions"):
        find_answer_model(str(checkpoint), "v1")


@pytest.mark.parametrize("name", ["./no-model", "no model", "a/b/c"])
def test_a_missing_directory_is_named_with_the_alternatives(name: str) -> None:
    with pytest.raises(ModelError, match=r"no such directory\. Give a directory or a hub id\."):
        find_answer_model(name)


def test_a_question_generation_model_is_refused() -> None:
    with pytest.raises(
        ModelError,
        match=r"a model of type 't5'\. Answers come from models of type: bert",
    ):
        find_answer_model(str(MINI))


def test_a_model_of_another_task_is_refused(checkpoint: Path) -> None:
    edit_json(checkpoint / "config.json", architectures=["BertForMaskedLM"])
    with pytest.raises(ModelError, match=r"architectures is \['BertForMaskedLM'\]\. .*Answering"):
        find_answer_model(str(checkpoint))


def test_weights_without_an_answer_head_are_refused(checkpoint: Path) -> None:
    config = BertConfig.from_pretrained(checkpoint)
    BertModel(config, add_pooling_layer=False).save_pretrained(checkpoint)
    edit_json(checkpoint / "config.json", architectures=None)
    with pytest.raises(ModelError, match=r"lack qa_outputs\.bias and 1 more"):
        Answerer(checkpoint)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_missing_file_is_named(name: str, checkpoint: Path) -> None:
    (checkpoint / name).unlink()
    with pytest.raises(ModelError, match=r"config\.json: cannot be read|no weights in"):
        find_answer_model(str(checkpoint))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("attn_implementation", "evil/kernel"),
        ("quantization_config", {"quant_method": "eetq"}),
        ("transformers_weights", "other.safetensors"),
        ("is_encoder_decoder", True),
        ("vocab_size", 10**13),
        ("hidden_size", 10**12),
        ("num_hidden_layers", 10**9),
        ("max_position_embeddings", 0),
        ("type_vocab_size", 10**9),
        ("num_labels", 3),
        ("pad_token_id", "0"),
    ],
)
def test_a_harmful_configuration_is_refused(key: str, value: object, checkpoint: Path) -> None:
    edit_json(checkpoint / "config.json", **{key: value})
    with pytest.raises(ModelError, match=rf"config\.json: {key} is "):
        Answerer(checkpoint)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("pad_token_id", 5_000, "cannot be loaded"),
        ("id2label", {"0": "a", "1": "b", "2": "c"}, "cannot be loaded"),
        ("hidden_size", 64, "cannot be loaded"),
        ("hidden_act", "os.system", "cannot be loaded"),
        ("max_position_embeddings", 16, "cannot be loaded"),
    ],
)
def test_a_configuration_that_does_not_fit_the_weights_is_refused(
    key: str, value: object, message: str, checkpoint: Path
) -> None:
    edit_json(checkpoint / "config.json", **{key: value})
    with pytest.raises(ModelError, match=message):
        Answerer(checkpoint)


def test_code_that_a_checkpoint_names_is_not_run(checkpoint: Path) -> None:
    (checkpoint / "evil.py").write_text("raise SystemExit('was run')")
    names = {
        "AutoConfig": "evil.C",
        "AutoModelForQuestionAnswering": "evil.M",
        "AutoTokenizer": ["evil.T", None],
    }
    edit_json(checkpoint / "config.json", auto_map=names)
    edit_json(checkpoint / "tokenizer_config.json", auto_map=names)
    assert Answerer(checkpoint).answer([PAIR])[0].text


def test_a_bin_file_gives_the_same_answers(good: Path, checkpoint: Path) -> None:
    weights = load_file(checkpoint / "model.safetensors")
    (checkpoint / "model.safetensors").unlink()
    torch.save(weights, checkpoint / "pytorch_model.bin")
    assert Answerer(checkpoint).answer([PAIR]) == Answerer(good).answer([PAIR])


class _Code:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (print, ("was run",))


def test_a_bin_file_with_code_is_refused(checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (checkpoint / "model.safetensors").unlink()
    torch.save({"a": _Code()}, checkpoint / "pytorch_model.bin")
    with pytest.raises(ModelError, match="contain more than weights"):
        Answerer(checkpoint)
    assert "was run" not in capsys.readouterr().out


def test_damaged_weights_are_named(checkpoint: Path) -> None:
    path = checkpoint / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ModelError, match=r"cannot be loaded .*Get the checkpoint again"):
        Answerer(checkpoint)


@pytest.mark.parametrize(
    ("value", "message"), [(float("nan"), "model: the weights are damaged"), (3e38, "computes no numbers")]
)
def test_weights_that_compute_no_numbers_are_an_error(value: float, message: str, checkpoint: Path) -> None:
    weights = load_file(checkpoint / "model.safetensors")
    weights["qa_outputs.weight"].fill_(value)
    save_file(weights, checkpoint / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=message):
        Answerer(checkpoint).answer([PAIR])


def test_a_tokenizer_without_offsets_is_refused(checkpoint: Path) -> None:
    edit_json(checkpoint / "tokenizer_config.json", tokenizer_class="ByT5Tokenizer")
    (checkpoint / "tokenizer.json").unlink(missing_ok=True)
    with pytest.raises(ModelError, match=r"ByT5Tokenizer does not report where .*fast tokenizer"):
        Answerer(checkpoint)


def test_a_class_that_is_not_a_tokenizer_is_refused_without_a_t5_hint(checkpoint: Path) -> None:
    edit_json(checkpoint / "tokenizer_config.json", tokenizer_class="AutoProcessor")
    with pytest.raises(ModelError, match=r"tokenizer_class is 'AutoProcessor'\. Get the checkpoint"):
        Answerer(checkpoint)


def test_a_checkpoint_without_a_tokenizer_is_refused(checkpoint: Path) -> None:
    (checkpoint / "vocab.txt").rename(checkpoint / "merges.txt")
    with pytest.raises(ModelError, match=r"does not fit the model: it has \d tokens, the model 4"):
        Answerer(checkpoint)
    (checkpoint / "merges.txt").unlink()
    with pytest.raises(ModelError, match="no tokenizer in "):
        find_answer_model(str(checkpoint))


def test_a_configuration_without_a_padding_token_is_refused(checkpoint: Path) -> None:
    config = json.loads((checkpoint / "config.json").read_text())
    (checkpoint / "config.json").write_text(json.dumps(config | {"pad_token_id": None}))
    with pytest.raises(ModelError, match=r"config\.json: pad_token_id is null"):
        Answerer(checkpoint)


def test_a_tokenizer_of_another_model_is_refused(checkpoint: Path) -> None:
    with (checkpoint / "vocab.txt").open("a") as stream:
        stream.writelines(f"word{number}\n" for number in range(20))
    with pytest.raises(ModelError, match=r"it has 4\d\d tokens, the model 4"):
        Answerer(checkpoint)


def saved_tokenizer(checkpoint: Path, **post_processor: object) -> Path:
    """Replace the tokenizer by the general class, with a template of its own."""
    AutoTokenizer.from_pretrained(checkpoint).save_pretrained(checkpoint)
    edit_json(checkpoint / "tokenizer_config.json", tokenizer_class="PreTrainedTokenizerFast")
    values = json.loads((checkpoint / "tokenizer.json").read_text())
    values["post_processor"] |= post_processor
    (checkpoint / "tokenizer.json").write_text(json.dumps(values))
    return checkpoint


def sequence(name: str, type_id: int = 0) -> dict[str, object]:
    return {"Sequence": {"id": name, "type_id": type_id}}


def special(token: str, type_id: int = 0) -> dict[str, object]:
    return {"SpecialToken": {"id": token, "type_id": type_id}}


@pytest.mark.parametrize(
    ("pair", "problem"),
    [
        ([sequence("A"), sequence("B", 1)], "no token before the question"),
        ([special("[CLS]"), sequence("A"), sequence("B", 9)], "more segments than the model has"),
        (
            [special("[CLS]")] * 9 + [sequence("A"), sequence("B")],
            "64 tokens are too few for text, 9 ",
        ),
    ],
)
def test_an_unsuitable_tokenizer_template_is_refused(
    pair: list[dict[str, object]], problem: str, checkpoint: Path
) -> None:
    with pytest.raises(ModelError, match=f"does not fit the model: .*{problem}"):
        Answerer(saved_tokenizer(checkpoint, pair=pair))


@pytest.mark.parametrize("length", ["many", 1e300, -1, 20])
def test_the_tokenizer_s_maximum_length_is_respected(length: object, checkpoint: Path) -> None:
    edit_json(checkpoint / "tokenizer_config.json", model_max_length=length)
    if isinstance(length, int):
        with pytest.raises(ModelError, match=f"{length} tokens are too few for text"):
            Answerer(checkpoint)
    else:
        assert Answerer(checkpoint).answer([PAIR])[0].text


def test_strides_have_384_tokens_and_overlap_by_128(good: Path) -> None:
    maker = StrideMaker(good, ModelLimits(512, 410, 2))
    context = " ".join(str(number) for number in range(1_000, 2_000))
    strides, too_long = maker.make([("Which one?", context)])
    assert (max(map(len, strides)), too_long) == (384, 0)
    spans = [stride.offsets(stride.in_context.index(True), len(stride) - 2) for stride in strides]
    assert (spans[0][0], spans[-1][1]) == (0, len(context))
    for stride, (_, end), (start, _) in zip(strides[1:], spans[:-1], spans[1:], strict=True):
        places = zip(stride.encoding.offsets, stride.in_context, strict=True)
        assert start < end
        assert sum(inside and pair[1] <= end for pair, inside in places) == 128
