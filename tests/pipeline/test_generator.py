"""The Python API: ``Generator``, the functions made of it, and what they say about their arguments."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import qgbatch
from qgbatch.engines import ctranslate2, translator
from qgbatch.errors import DocumentError, SettingsError

TEA = "Tea reached Europe in 1610. Dutch ships carried it from Java to Amsterdam."
BEES = "Bees live in hives. They make honey from the nectar of flowers."
FAST: Any = {"num_beams": 1, "max_new_tokens": 24}


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The models that were loaded."""
    loaded: list[str] = []
    load = translator.load_translator

    def counted(model: Any, *arguments: Any) -> Any:
        loaded.append(model.name)
        return load(model, *arguments)

    monkeypatch.setattr(ctranslate2, "load_translator", counted)
    return loaded


def words(questions: list[qgbatch.Question]) -> list[str]:
    return [question.question for question in questions]


def test_a_generator_loads_its_model_once_and_asks_as_the_functions_do(loads: list[str]) -> None:
    with qgbatch.Generator(**FAST) as generator:
        first = generator.generate_questions([TEA])
        second = list(generator.iter_questions([BEES]))
    assert len(loads) == 1
    assert words(first) == words(qgbatch.generate_questions([TEA], **FAST))
    assert words(second) == words(list(qgbatch.iter_questions([BEES], **FAST)))


def test_threads_share_a_generator(loads: list[str]) -> None:
    generator = qgbatch.Generator(**FAST)
    texts = [TEA, BEES, "The tower is old. It was built of granite in 1750.", TEA + " " + BEES]
    found: dict[int, list[str]] = {}

    def ask(number: int) -> None:
        found[number] = words(generator.generate_questions([texts[number]] * 3))

    threads = [threading.Thread(target=ask, args=[number]) for number in range(len(texts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(loads) == 1
    for number, text in enumerate(texts):
        assert found[number] == words(generator.generate_questions([text] * 3))


def test_threads_take_turns_at_a_torch_model(monkeypatch: pytest.MonkeyPatch) -> None:
    from qgbatch.engines.halving import run_with_halving

    busy = threading.Lock()
    overlaps: list[bool] = []

    def watched(*arguments: Any) -> Any:
        is_free = busy.acquire(blocking=False)
        overlaps.append(not is_free)
        result = run_with_halving(*arguments)
        if is_free:
            busy.release()
        return result

    monkeypatch.setattr("qgbatch.engines.torch.run_with_halving", watched)
    generator = qgbatch.Generator(engine="torch", device="cpu", batch_tokens=1, **FAST)
    threads = [threading.Thread(target=generator.generate_questions, args=[[TEA, BEES]]) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert overlaps == [False] * 6


def test_a_closed_generator_says_so() -> None:
    generator = qgbatch.Generator(**FAST)
    generator.close()
    with pytest.raises(ValueError, match="closed"):
        generator.iter_questions([TEA])


BAD_TEXTS: list[Any] = [TEA, "", None, "a\0b", 7, "\ud800", BEES]


def test_bad_texts_are_skipped_and_counted() -> None:
    report = qgbatch.RunReport()
    questions = qgbatch.generate_questions(BAD_TEXTS, on_error="skip", report=report, **FAST)
    assert {question.chunk.document.source for question in questions} == {"0", "6"}
    assert [failure.source for failure in report.failures] == ["1", "2", "3", "4", "5"]
    assert (report.n_inputs, report.n_documents, report.n_failed) == (7, 2, 5)
    assert report.n_written == len(questions)
    assert report.n_raw == report.n_written + report.dropped.total()


@pytest.mark.parametrize("number", range(1, 6))
def test_a_bad_text_is_an_error_by_default(number: int) -> None:
    questions = qgbatch.iter_questions([TEA, BAD_TEXTS[number]], **FAST)
    with pytest.raises(DocumentError, match="1: "):
        list(questions)


def test_an_error_of_the_source_itself_is_never_skipped() -> None:
    def texts() -> Iterator[str]:
        yield TEA
        raise OSError("the queue is gone")

    with pytest.raises(OSError, match="the queue is gone"):
        list(qgbatch.iter_questions(texts(), on_error="skip", **FAST))


@pytest.mark.parametrize("texts", [TEA, TEA.encode(), qgbatch.Document.from_text(TEA, "tea"), 7, None])
def test_what_is_no_iterable_of_texts_is_named_before_anything_is_read(texts: Any) -> None:
    for function in (qgbatch.iter_questions, qgbatch.generate_questions):
        with pytest.raises(TypeError, match=r"^texts must be an iterable of strings or Documents, not "):
            function(texts)


@pytest.mark.parametrize("inputs", ["a.txt", b"a.txt", 7, None])
def test_what_is_no_iterable_of_paths_is_named(inputs: Any, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"^inputs must be an iterable of paths, not "):
        qgbatch.run(inputs, tmp_path / "q.csv")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"inputs": [7]}, "inputs: a path must be a string or a Path, not int."),
        ({"inputs": [b"a.txt"]}, "inputs: a path must be a string or a Path, not bytes."),
        ({"output": None}, "output: a path must be a string or a Path, not NoneType."),
        ({"settings": {"num_beams": 1}}, "settings must be Settings, not dict."),
        ({"files": qgbatch.Settings()}, "files must be FileSettings, not Settings."),
        ({"cache": False}, "cache must be CacheSettings, not bool."),
    ],
)
def test_an_argument_of_the_wrong_type_is_named(arguments: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(TypeError) as caught:
        qgbatch.run(**{"inputs": ["a.txt"], "output": tmp_path / "q.csv", **arguments})
    assert str(caught.value) == message


@pytest.mark.parametrize(("text", "source"), [(7, "tea"), (None, "tea"), (TEA, Path("tea"))])
def test_a_document_is_made_of_strings(text: Any, source: Any) -> None:
    with pytest.raises(TypeError, match=r"^(text|source) must be a string, not (int|NoneType|PosixPath)\."):
        qgbatch.Document.from_text(text, source)


def test_a_bad_choice_names_the_argument() -> None:
    with pytest.raises(SettingsError, match=r"^on_error='ignore' .*Choose one of: raise, skip"):
        qgbatch.iter_questions([TEA], on_error="ignore")  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match=r"^preset='rag' .*Choose one of: rag-eval, "):
        qgbatch.iter_questions([TEA], preset="rag")
    with pytest.raises(TypeError, match="num_beam"):
        qgbatch.iter_questions([TEA], num_beam=1)  # type: ignore[call-arg]


def test_errors_of_python_speak_of_arguments() -> None:
    with pytest.raises(SettingsError, match=r"^num_beams=0 is out of range\."):
        qgbatch.Generator(num_beams=0)
    with pytest.raises(SettingsError, match=r"Use engine='torch'\."):
        qgbatch.Generator(engine="ctranslate2", do_sample=True)
    with pytest.raises(SettingsError, match=r"^output='q\.xlsx': .*set format\."):
        qgbatch.run(["a.txt"], "q.xlsx")


def test_errors_of_the_command_speak_of_options_and_leave_python_as_it_was(qgbatch: Any) -> None:
    result = qgbatch("run", "a.txt", "-o", "q.csv", "--engine", "ctranslate2", "--do-sample")
    assert "Use --engine torch." in result.stderr
    with pytest.raises(SettingsError, match="engine='torch'"):
        sys.modules["qgbatch"].Generator(engine="ctranslate2", do_sample=True)


def test_a_preset_sets_what_no_argument_sets() -> None:
    questions = qgbatch.generate_questions([TEA, BEES], preset="faq", min_grounding=None, **FAST)
    assert len({question.chunk for question in questions}) == len(questions)
    settings = qgbatch.Settings.from_preset("rag-eval", dedupe="exact")
    assert (settings.dedupe, settings.dedupe_scope) == ("exact", "corpus")
    assert qgbatch.FileSettings.from_preset("rag-eval").with_context
    assert qgbatch.PRESETS.keys() == {"rag-eval", "doc2query", "faq", "reproduce"}


def test_progress_reaches_the_end(tmp_path: Path) -> None:
    (tmp_path / "tea.txt").write_text(TEA)
    (tmp_path / "bees.txt").write_text(BEES)
    paths, output = [tmp_path / "tea.txt", tmp_path / "bees.txt"], tmp_path / "q.csv"
    seen: list[tuple[float, int]] = []

    def on_progress(share: float, report: qgbatch.RunReport) -> None:
        seen.append((share, report.n_inputs))

    for _ in range(2):  # the second time all results come from the cache
        seen.clear()
        qgbatch.run(paths, output, qgbatch.Settings(**FAST), on_progress=on_progress)
        assert seen == sorted(seen)
        assert seen[-1] == (1.0, 2)


def test_a_question_as_a_dictionary_is_its_row() -> None:
    (question, *_) = qgbatch.generate_questions([qgbatch.Document.from_text(TEA, "tea")], **FAST)
    values = question.as_dict()
    table = qgbatch.to_dataframe([question], model="small", with_context=True)
    row = {str(name): value for name, value in table.iloc[0].items()}
    assert {name: values[name] for name in row if name not in ("model", "page", "other_passages")} == {
        name: value for name, value in row.items() if name not in ("model", "page", "other_passages")
    }
    assert values["question_id"] == question.id == row["question_id"]
    assert values["page"] is None
