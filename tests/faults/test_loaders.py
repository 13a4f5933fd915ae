"""The packages that test sets and triples are made for load them. Each test needs its package:

``pip install beir sentence-transformers ragas 'langchain-community<0.4' deepeval``
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import datasets
import pytest

from qgbatch.exports.export import FORMATS, export
from qgbatch.exports.options import ExportOptions
from qgbatch.exports.table import QuestionTable
from tests.support.pages import blocks
from tests.support.tables import ask_chunk, chunk, write_rows

pytestmark = [pytest.mark.faults, pytest.mark.filterwarnings("ignore")]  # of the packages

ANIMALS = {"bee": "hive", "ant": "nest", "fox": "burrow", "cow": "stable", "owl": "hollow", "dog": "kennel"}
PASSAGES = [
    chunk(f"The {animal} sleeps in its {home}.", f"{animal}.md", passage_id=f'"{animal}"', title=animal)
    for animal, home in ANIMALS.items()
]
COPY = chunk("The bee sleeps in its hive!", "copy.md", passage_id="copy")
ROWS = [
    ask_chunk(passage, f"Where does the {animal} sleep?", *[COPY] * (animal == "bee"), answer=home)
    for passage, (animal, home) in zip(PASSAGES, ANIMALS.items(), strict=True)
]


@pytest.fixture(autouse=True)
def no_telemetry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPEVAL_TELEMETRY_OPT_OUT", "YES")
    monkeypatch.setenv("RAGAS_DO_NOT_TRACK", "true")


def exported(export_format: str, home: Path, **options: Any) -> Path:
    table = QuestionTable(write_rows(home / "q.jsonl", ROWS))
    passages = write_rows(home / "passages.jsonl", [*PASSAGES, COPY])
    export(table, FORMATS[export_format], home / "out", ExportOptions(passages=passages, **options))
    return home / "out"


def load_beir(directory: Path, part: str) -> Any:
    loader = pytest.importorskip("beir.datasets.data_loader", reason="beir is not installed")
    return loader.GenericDataLoader(str(directory)).load(part)


def sentence_transformers(module: str | None = None) -> Any:
    """The package, or one of its modules for embedding models."""
    name = f"sentence_transformers.sentence_transformer.{module}" if module else "sentence_transformers"
    return pytest.importorskip(name, reason="sentence-transformers is not installed")


def small_model() -> Any:
    """A model that embeds a text as the mean of random vectors of its words."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    texts = [str(row[name]) for row in ROWS for name in ("question", "context")]
    words = {word for text in texts for word in text.lower().strip("?.").split()}
    vocabulary = {word: number for number, word in enumerate(["[UNK]", *sorted(words)])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    module = sentence_transformers("modules").StaticEmbedding(tokenizer, embedding_dim=64)
    return sentence_transformers().SentenceTransformer(modules=[module], device="cpu")


@pytest.mark.parametrize("split", [{}, {"train": 0.5, "dev": 0.5}])
def test_beir_loads_its_folder(split: dict[str, float], tmp_path: Path) -> None:
    directory = exported("beir", tmp_path, split=split)
    found: dict[str, dict[str, int]] = {}
    for part in split or ("test",):
        corpus, queries, qrels = load_beir(directory, part)
        assert {key: (value["title"], value["text"]) for key, value in corpus.items()} == {
            str(each["passage_id"]): (each["title"] or "", each["text"]) for each in [*PASSAGES, COPY]
        }
        assert queries.keys() == qrels.keys()
        found |= {queries[query_id]: right for query_id, right in qrels.items()}
    assert found == {
        row["question"]: {
            f'"{animal}"': 1,
            **({"copy": 1} if animal == "bee" else {}),
        }
        for row, animal in zip(ROWS, ANIMALS, strict=True)
    }


def test_sentence_transformers_evaluates_a_model_as_the_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model = small_model()
    load_beir(exported("beir", tmp_path), "test")
    (tmp_path / "out").rename(tmp_path / "retrieval-test")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sentence_transformers(), "SentenceTransformer", lambda name: model)
    [code] = [block for block in blocks("exports.md", "py") if "SentenceTransformer(" in block]
    exec(code, {})
    [found] = re.findall(r"cosine_accuracy@10'[^0-9]*([0-9.]+)", capsys.readouterr().out)
    assert float(found) == 1  # there are seven passages


def test_sentence_transformers_trains_on_the_triples(tmp_path: Path) -> None:
    model = small_model()
    directory = exported("triples", tmp_path, negatives=2)
    rows = datasets.load_dataset(str(directory), split="train", cache_dir=str(tmp_path / "cache"))
    assert rows.column_names == ["anchor", "positive", "negative_1", "negative_2"]
    arguments = sentence_transformers().SentenceTransformerTrainingArguments(
        output_dir=str(tmp_path / "model"), num_train_epochs=1, learning_rate=0.1, report_to="none",
        per_device_train_batch_size=3, save_strategy="no", use_cpu=True, disable_tqdm=True,
    )  # fmt: skip
    loss = sentence_transformers("losses").MultipleNegativesRankingLoss(model)
    trainer = sentence_transformers().SentenceTransformerTrainer(
        model, arguments, train_dataset=rows, loss=loss
    )
    assert trainer.train().training_loss > 0


def test_ragas_loads_its_samples(tmp_path: Path) -> None:
    ragas = pytest.importorskip("ragas", reason="ragas is not installed")
    dataset = ragas.EvaluationDataset.from_jsonl(exported("ragas", tmp_path) / "ragas.jsonl")
    assert len(dataset) == len(ROWS)
    assert dataset[0].user_input == "Where does the bee sleep?"
    assert dataset[0].reference == "hive"
    assert dataset[0].reference_contexts == [PASSAGES[0]["text"], COPY["text"]]
    assert dataset[0].reference_context_ids == ['"bee"', "copy"]


def test_deepeval_loads_its_goldens(tmp_path: Path) -> None:
    deepeval = pytest.importorskip("deepeval.dataset", reason="deepeval is not installed")
    dataset = deepeval.EvaluationDataset()
    dataset.add_goldens_from_jsonl_file(str(exported("deepeval", tmp_path) / "goldens.jsonl"))
    assert len(dataset.goldens) == len(ROWS)
    golden = dataset.goldens[0]
    assert (golden.input, golden.expected_output) == ("Where does the bee sleep?", "hive")
    assert golden.context == [PASSAGES[0]["text"], COPY["text"]]
    assert golden.source_file == "bee.md"
    assert golden.additional_metadata["passage_ids"] == ['"bee"', "copy"]
