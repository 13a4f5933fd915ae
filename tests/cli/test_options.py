"""Options from the command line, variables and configuration files; standard output and standard error."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import Result

from qgbatch.cli.run import run as run_command
from qgbatch.settings import CacheSettings, FileSettings, RunnerSettings, Settings
from tests.conftest import MINI

Qgbatch = Callable[..., Result]

FAST = ("--num-beams", "1", "--max-new-tokens", "16")
BEES = "Bees live in hives. They make honey from the nectar of flowers."
FIELDS = [
    spec.name
    for cls in (Settings, FileSettings, CacheSettings, RunnerSettings)
    for spec in dataclasses.fields(cls)
]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with a document."""
    (tmp_path / "good.txt").write_text(BEES)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _rows(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def _sources(result: Result) -> list[str]:
    return list(dict.fromkeys(row["source"] for row in _rows(result)))


@pytest.mark.parametrize(
    ("in_words", "in_variable", "in_file", "expected"),
    [(2, 3, 4, 2), (None, 3, 4, 3), (None, None, 4, 4), (None, None, None, 6)],
)
def test_command_line_beats_variable_beats_config_beats_model(
    here: Path,
    monkeypatch: pytest.MonkeyPatch,
    in_words: int | None,
    in_variable: int | None,
    in_file: int | None,
    expected: int,
    qgbatch: Qgbatch,
) -> None:
    assert json.loads((MINI / "generation_config.json").read_text())["no_repeat_ngram_size"] == 6
    words = [] if in_words is None else ["--no-repeat-ngram-size", str(in_words)]
    if in_variable is not None:
        monkeypatch.setenv("QGBATCH_NO_REPEAT_NGRAM_SIZE", str(in_variable))
    if in_file is not None:
        (here / "c.toml").write_text(f"no_repeat_ngram_size = {in_file}\n")
        words += ["--config", "c.toml"]
    result = qgbatch("run", "good.txt", "-o", "q.csv", "--report", "r.json", *FAST, *words)
    assert result.exit_code == 0
    settings = json.loads((here / "r.json").read_text())["facts"]["settings"]
    assert settings["no_repeat_ngram_size"] == expected


def test_config_holds_output_flags_and_lists_with_dashes_or_underscores(
    here: Path, qgbatch: Qgbatch
) -> None:
    (here / "good.txt").write_bytes("Café owners open early.".encode("cp1252"))
    (here / "c.toml").write_text(
        'output = "q.csv"\nwith-context = true\nencoding = ["ascii", "cp1252"]\nnum_beams = 1\n'
    )
    assert qgbatch("run", "good.txt", "--config", "c.toml").exit_code == 0
    assert "Café owners" in (here / "q.csv").read_text(encoding="utf-8")


@pytest.mark.parametrize("place", ["words", "variable", "file"])
def test_several_text_columns_can_be_named_everywhere(
    here: Path, monkeypatch: pytest.MonkeyPatch, qgbatch: Qgbatch, place: str
) -> None:
    (here / "t.csv").write_text(f"b,title,a\nMilk is cold.,Drinks,{BEES}\n")
    words = ["run", "t.csv", "-o", "q.jsonl", "--with-context", "--report", "r.json", *FAST]
    if place == "words":
        words += ["--text-column", "a", "--text-column", "b"]
    elif place == "variable":
        monkeypatch.setenv("QGBATCH_TEXT_COLUMN", "a b")
    else:
        (here / "c.toml").write_text('text_column = ["a", "b"]')
        words += ["--config", "c.toml"]
    assert qgbatch(*words).exit_code == 0
    assert json.loads((here / "r.json").read_text())["files"]["text_column"] == ["a", "b"]
    context = json.loads((here / "q.jsonl").read_text().splitlines()[0])["context"]
    assert context == f"Drinks\n\n{BEES}\n\nMilk is cold."


def test_config_may_have_a_byte_order_mark(here: Path, qgbatch: Qgbatch) -> None:
    (here / "c.toml").write_text('output = "q.csv"\n', encoding="utf-8-sig")
    assert qgbatch("run", "good.txt", "--config", "c.toml", *FAST).exit_code == 0
    assert (here / "q.csv").exists()


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ('"a.txt"', ["a.txt"]),
        ('"[ab] *.txt"', ["b c.txt"]),
        ('["b*.txt", "d/"]', ["b c.txt", "d/e.txt"]),
    ],
)
def test_config_holds_inputs(here: Path, inputs: str, expected: list[str], qgbatch: Qgbatch) -> None:
    (here / "d").mkdir()
    for name in ("a.txt", "b c.txt", "d/e.txt"):
        (here / name).write_text(BEES)
    (here / "d" / "c.toml").write_text(f"inputs = {inputs}")
    result = qgbatch("run", "-o", "-", "--config", "d/c.toml", *FAST)
    assert result.exit_code == 0
    assert _sources(result) == expected


@pytest.mark.parametrize(
    ("words", "variable", "in_file", "expected"),
    [
        ((), "", "", ["a.txt"]),
        (("good.txt",), "", "", ["good.txt"]),
        (("good.txt",), "", "files_from = 'missing'", ["good.txt"]),
        (("--files-from", "list"), "", "files_from = 'missing'", ["good.txt"]),
        (("a.txt", "--files-from", "list"), "", "", ["a.txt", "good.txt"]),
        (("--files-from", "list"), "", "", ["good.txt"]),
        ((), "list", "", ["good.txt"]),
        ((), "", "files_from = 'list'", ["a.txt", "good.txt"]),
    ],
)
def test_inputs_of_the_command_line_replace_those_of_config(
    here: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    variable: str,
    in_file: str,
    expected: list[str],
    qgbatch: Qgbatch,
) -> None:
    (here / "a.txt").write_text(BEES)
    (here / "list").write_text("good.txt\n")
    (here / "c.toml").write_text(f"inputs = 'a.txt'\n{in_file}")
    monkeypatch.setenv("QGBATCH_FILES_FROM", variable)
    result = qgbatch("run", *words, "-o", "-", "--config", "c.toml", *FAST)
    assert result.exit_code == 0
    assert _sources(result) == expected


@pytest.mark.parametrize("line", ["inputs = []", "num_beams = 1"])
def test_a_run_without_inputs_exits_2(
    here: Path, monkeypatch: pytest.MonkeyPatch, line: str, qgbatch: Qgbatch
) -> None:
    monkeypatch.setenv("QGBATCH_INPUTS", "good.txt")
    (here / "c.toml").write_text(line)
    result = qgbatch("run", "-o", "-", "--config", "c.toml")
    assert result.exit_code == 2
    assert "No INPUT" in result.stderr


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("beams", "Did you mean num_beams?"),
        ("dedup-scope", "Did you mean dedupe_scope"),
        ("input", "Did you mean inputs?"),
        ("x", "names of the command-line options"),
    ],
)
def test_unknown_key_in_config_suggests_similar_names(
    here: Path, key: str, hint: str, qgbatch: Qgbatch
) -> None:
    (here / "c.toml").write_text(f"{key} = 1")
    assert hint in qgbatch("run", "good.txt", "-o", "-", "--config", "c.toml").stderr


@pytest.mark.parametrize("key", ["numbeams", "run", "config", "help_all"])
def test_unknown_key_in_config_exits_2_and_is_named(here: Path, key: str, qgbatch: Qgbatch) -> None:
    (here / "c.toml").write_text(f'num_beams = 1\n{key} = "x"\n')
    result = qgbatch("run", "good.txt", "-o", "-", "--config", "c.toml")
    assert result.exit_code == 2
    assert "c.toml" in result.stderr
    assert repr(key) in result.stderr


@pytest.mark.parametrize("content", [b"num_beams = ", b"\xff\xfe", b"{}", None])
def test_config_that_cannot_be_read_exits_2_and_is_named(
    here: Path, content: bytes | None, qgbatch: Qgbatch
) -> None:
    if content is not None:
        (here / "c.toml").write_bytes(content)
    result = qgbatch("run", "good.txt", "-o", "-", "--config", "c.toml")
    assert result.exit_code == 2
    assert "c.toml" in result.stderr


@pytest.mark.parametrize(
    "line",
    [
        "num_beams = 0",
        'num_beams = "many"',
        "num_beams = 1.5",
        "num_beams = true",
        "num_beams = [1]",
        "near_threshold = nan",
        'fail_fast = "maybe"',
        "dedupe = 3",
        "model = {name = 'small'}",
        "report = 5",
        "inputs = 5",
        'inputs = ["good.txt", 5]',
    ],
)
def test_bad_value_in_config_exits_2_and_its_option_is_named(
    here: Path, line: str, qgbatch: Qgbatch
) -> None:
    (here / "c.toml").write_text(line)
    result = qgbatch("run", "good.txt", "-o", "q.csv", "--config", "c.toml")
    name = line.partition(" ")[0]
    assert result.exit_code == 2
    assert name in result.stderr.replace("-", "_")


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--num-beams", "0"),
        ("--num-beams", "many"),
        ("--batch-tokens", "0"),
        ("--window-chunks", "-1"),
        ("--near-threshold", "2"),
        ("--near-threshold", "nan"),
        ("--length-penalty", "nan"),
        ("--length-penalty", "inf"),
        ("--language", "klingon"),
        ("--dedupe", "some"),
        ("--format", "xlsx"),
        ("--encoding", "klingon"),
        ("--encoding", "base64"),
        ("--dtype", "float16"),
        ("--compute-type", "float16"),
        ("--device", "tpu"),
    ],
)
def test_bad_value_exits_2_and_its_option_is_named(
    here: Path, option: str, value: str, qgbatch: Qgbatch
) -> None:
    result = qgbatch("run", "good.txt", "-o", "q.csv", option, value)
    assert result.exit_code == 2
    assert option in result.stderr
    assert not (here / "q.csv").exists()


@pytest.mark.parametrize(("variable", "value"), [("NUM_BEAMS", "many"), ("CONFIG", "c.toml")])
def test_bad_value_by_a_variable_exits_2(
    here: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, qgbatch: Qgbatch
) -> None:
    (here / "c.toml").write_text("num_beams = 0\n")
    monkeypatch.setenv(f"QGBATCH_{variable}", value)
    result = qgbatch("run", "good.txt", "-o", "q.csv")
    assert result.exit_code == 2
    assert "--num-beams" in result.stderr


PLACES = {
    "variable": "the variable QGBATCH_{name}",
    "file": "c.toml, line 3",
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("num_beams", "many"),  # found while the words are read
        ("fail_fast", "maybe"),
        ("dedupe", "some"),
        ("num_beams", "0"),  # found by the settings
        ("encoding", "klingon"),
        ("output", "q.xlsx"),  # found when the run begins
        ("num_return_sequences", "9"),
        ("report", "-"),
    ],
)
def test_the_place_of_a_bad_value_is_named(
    name: str, value: str, place: str, here: Path, monkeypatch: pytest.MonkeyPatch, qgbatch: Qgbatch
) -> None:
    if place == "variable":
        monkeypatch.setenv(f"QGBATCH_{name.upper()}", value)
    else:
        (here / "c.toml").write_text(f'# settings\n\n{name} = "{value}"\n')
    words = ["--config", "c.toml"] if place == "file" else []
    words += [] if name == "output" else ["-o", "q.csv"]
    result = qgbatch("run", "good.txt", *words)
    assert result.exit_code == 2
    assert PLACES[place].format(name=name.upper()) in result.stderr
    assert result.stderr.count(PLACES[place].format(name=name.upper())) == 1


@pytest.mark.parametrize(
    ("line", "place"),
    [
        ("unknown = 1", "c.toml, line 2: unknown option 'unknown'"),
        ("num_beams = true", "c.toml, line 2: True is not a valid value of num_beams"),
        ("num-beams = 0", "--num-beams is set by c.toml, line 2."),
        ('"num_beams" = 0', "--num-beams is set by c.toml, line 2."),
        ("num_beams = 0\ntokenizer = '''\nnum_beams = 1'''", "--num-beams is set by c.toml."),
        ("num_beams =", "at line 2, column"),
    ],
)
def test_the_line_of_a_configuration_is_named_if_it_is_known(
    line: str, place: str, here: Path, qgbatch: Qgbatch
) -> None:
    (here / "c.toml").write_text(f"dedupe = 'near'\n{line}\n")
    result = qgbatch("run", "good.txt", "-o", "q.csv", "--config", "c.toml")
    assert result.exit_code == 2
    assert place in result.stderr


def test_a_preset_that_conflicts_is_named(here: Path, qgbatch: Qgbatch) -> None:
    words = ("--preset", "rag-eval", "--language", "german")
    result = qgbatch("run", "good.txt", "-o", "q.csv", *words)
    assert result.exit_code == 2
    assert "--well-formed is set by --preset rag-eval." in result.stderr
    assert "--language is" not in result.stderr


def test_a_value_on_the_command_line_has_no_other_place(
    here: Path, monkeypatch: pytest.MonkeyPatch, qgbatch: Qgbatch
) -> None:
    monkeypatch.setenv("QGBATCH_NUM_BEAMS", "2")
    result = qgbatch("run", "good.txt", "-o", "q.csv", "--num-beams", "0")
    assert result.exit_code == 2
    assert "QGBATCH_" not in result.stderr


@pytest.mark.parametrize("words", [("report",), ("export", "--to", "anki"), ("dataset",), ("finetune",)])
def test_the_output_of_a_run_is_not_that_of_another_command(
    words: tuple[str, ...], here: Path, monkeypatch: pytest.MonkeyPatch, qgbatch: Qgbatch
) -> None:
    for variable in ("QGBATCH_OUTPUT", "QGBATCH_OUTPUT_DIR"):
        monkeypatch.setenv(variable, "q.html")
    inputs = [] if words == ("finetune",) else ["good.txt"]
    result = qgbatch(*words, *inputs)
    assert result.exit_code == 2
    assert "Missing option '-o'" in result.stderr


def test_evaluate_does_not_write_to_the_output_of_a_run(
    here: Path, monkeypatch: pytest.MonkeyPatch, qgbatch: Qgbatch
) -> None:
    monkeypatch.setenv("QGBATCH_OUTPUT", "q.csv")  # evaluate would refuse this suffix
    result = qgbatch("evaluate", "--data", "missing.json")
    assert "missing.json" in result.stderr


@pytest.mark.parametrize(
    ("engine", "option", "value", "instead"),
    [
        ("ctranslate2", "--dtype", "float32", "--compute-type"),
        ("torch", "--compute-type", "float32", "--dtype"),
    ],
)
def test_precision_of_the_other_engine_exits_2_and_the_right_option_is_named(
    here: Path, engine: str, option: str, value: str, instead: str, qgbatch: Qgbatch
) -> None:
    result = qgbatch("run", "good.txt", "-o", "q.csv", "--engine", engine, option, value)
    assert result.exit_code == 2
    assert option in result.stderr
    assert instead in result.stderr


@pytest.mark.parametrize(
    ("words", "missing"),
    [
        (["-o", "q.csv"], "INPUT"),
        (["-o", "q.csv", "--files-from", "empty-list"], "INPUT"),
        (["good.txt"], "--output"),
    ],
)
def test_no_input_or_no_output_exits_2(
    here: Path, words: list[str], missing: str, qgbatch: Qgbatch
) -> None:
    (here / "empty-list").write_text("\n")
    result = qgbatch("run", *words)
    assert result.exit_code == 2
    assert missing in result.stderr


@pytest.mark.parametrize("name", FIELDS)
def test_every_setting_is_an_option_with_help_and_a_variable(name: str, qgbatch: Qgbatch) -> None:
    options = {param.name: param for param in run_command.params if isinstance(param, click.Option)}
    assert options[name].help
    assert options[name].envvar == f"QGBATCH_{name.upper()}"
    assert re.search(rf" --(\[no-\])?{name.replace('_', '-')} ", qgbatch("run", "--help-all").stdout)


@pytest.mark.parametrize("separator", [b"\n", b"\r\n", b"\0"])
@pytest.mark.parametrize("from_stdin", [False, True])
def test_files_from_reads_lists_of_lines_and_of_nul_separated_names(
    here: Path, separator: bytes, from_stdin: bool, qgbatch: Qgbatch
) -> None:
    (here / "two words.txt").write_text(BEES)
    content = separator.join([b"two words.txt", b"good.txt", b""])
    (here / "list").write_bytes(content)
    words = ["-"] if from_stdin else ["list"]
    result = qgbatch("run", "--files-from", *words, "-o", "-", *FAST, stdin=content if from_stdin else None)
    assert result.exit_code == 0
    assert _sources(result) == ["two words.txt", "good.txt"]


def test_nul_separated_names_may_hold_line_feeds(here: Path, qgbatch: Qgbatch) -> None:
    (here / "two\nlines.txt").write_text(BEES)
    result = qgbatch("run", "--files-from", "-", "-o", "-", *FAST, stdin=b"two\nlines.txt\0")
    assert _sources(result) == ["two\nlines.txt"]


def test_files_from_comes_after_the_arguments(here: Path, qgbatch: Qgbatch) -> None:
    (here / "b.txt").write_text(BEES)
    result = qgbatch("run", "good.txt", "--files-from", "-", "-o", "-", *FAST, stdin=b"b.txt\ngood.txt\n")
    assert _sources(result) == ["good.txt", "b.txt"]


def test_list_that_is_missing_exits_4_and_is_named(here: Path, qgbatch: Qgbatch) -> None:
    result = qgbatch("run", "--files-from", "no-list", "-o", "q.csv")
    assert result.exit_code == 4
    assert "no-list" in result.stderr


def test_standard_input_to_standard_output_gives_only_jsonl(here: Path, qgbatch: Qgbatch) -> None:
    result = qgbatch("run", "-", "-o", "-", *FAST, stdin=BEES.encode())
    assert result.exit_code == 0
    assert _sources(result) == ["-"]
    assert "questions" in result.stderr


def test_csv_to_standard_output(here: Path, qgbatch: Qgbatch) -> None:
    result = qgbatch("run", "good.txt", "-o", "-", "--format", "csv", *FAST)
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert [row["source"] for row in rows] == ["good.txt"] * len(rows) != []


def test_encodings_are_tried_in_order_on_files_that_are_not_utf_8(here: Path, qgbatch: Qgbatch) -> None:
    (here / "latin.txt").write_bytes("Café owners open early.".encode("cp1252"))
    words = ("-o", "-", "--with-context", *FAST)
    assert qgbatch("run", "latin.txt", *words).exit_code == 4
    result = qgbatch("run", "latin.txt", *words, "--encoding", "ascii", "--encoding", "cp1252")
    assert {row["context"] for row in _rows(result)} == {"Café owners open early."}


def test_with_context_adds_the_text_of_the_chunk_and_other_passages(here: Path, qgbatch: Qgbatch) -> None:
    plain = _rows(qgbatch("run", "good.txt", "-o", "-", *FAST))
    rows = _rows(qgbatch("run", "good.txt", "-o", "-", "--with-context", *FAST))
    assert [list(row) for row in rows] == [[*row, "context", "other_passages"] for row in plain] != []
    assert all(row["context"] == BEES[row["start_char"] : row["end_char"]] for row in rows)


def test_quiet_prints_nothing_on_success(here: Path, qgbatch: Qgbatch) -> None:
    result = qgbatch("run", "good.txt", "-o", "q.csv", "-q", *FAST)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("words", "exit_code"),
    [
        (["good.txt", "-o", "q.csv"], 0),
        (["good.txt", "-o", "q.csv", "-v"], 0),
        (["good.txt", "missing.txt", "-o", "q.csv"], 3),
        (["missing.txt", "-o", "q.csv"], 4),
        (["good.txt", "-o", "q.csv", "--model", "./no-such-model"], 5),
        (["good.txt", "-o", "nowhere/q.csv"], 6),
    ],
)
def test_json_log_is_one_json_object_per_line(
    here: Path, words: list[str], exit_code: int, qgbatch: Qgbatch
) -> None:
    result = qgbatch("run", *words, "--log-format", "json", *FAST)
    assert result.exit_code == exit_code
    entries = [json.loads(line) for line in result.stderr.splitlines()]
    assert entries
    assert all({"level", "message"} <= entry.keys() for entry in entries)


def test_json_log_ends_with_the_report(here: Path, qgbatch: Qgbatch) -> None:
    result = qgbatch("run", "good.txt", "-o", "q.csv", "--log-format", "json", *FAST)
    assert json.loads(result.stderr.splitlines()[-1])["report"]["n_documents"] == 1


def test_csv_safe_escapes_formulas(here: Path, qgbatch: Qgbatch) -> None:
    (here / "=cmd.txt").write_text("Bees live in hives.")
    for words, source in (((), '"=cmd.txt"'), (("--csv-safe",), '"\'=cmd.txt"')):
        result = qgbatch("run", "=cmd.txt", "-o", "-", "--format", "csv", *words, *FAST)
        assert source in result.stdout
