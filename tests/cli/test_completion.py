"""Completion of the command line: what is offered, and that shells set up as documented show it."""

from __future__ import annotations

import os
import re
import select
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from qgbatch.cli import main
from qgbatch.settings import FileSettings
from tests.conftest import ROOT

BIN = Path(sys.executable).parent
PAGE = (ROOT / "docs" / "completion.md").read_text(encoding="utf-8")
PATIENCE_S = 60

Offer = tuple[str, str]
"""``plain``, ``file`` or ``dir``, and the value or what there is of it."""
Offers = Callable[..., list[Offer]]


def _environment(home: Path, **variables: str) -> dict[str, str]:
    """That of a user whose home directory is empty."""
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    kept = {name: value for name, value in os.environ.items() if name in ("PYTHONPATH", "LANG", "LC_ALL")}
    return {**kept, "PATH": path, "HOME": str(home), "TERM": "dumb", **variables}


@pytest.fixture
def offers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Offers:
    """What the command answers to the script of a shell where a line ends in the cursor."""
    monkeypatch.chdir(tmp_path)

    def complete(shell: str, line: str, **variables: str) -> list[Offer]:
        words = line.split(" ")
        current = words[-1] if shell == "fish" else str(len(words) - 1)
        variables |= {"_QGBATCH_COMPLETE": f"{shell}_complete", "COMP_WORDS": line, "COMP_CWORD": current}
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        answer = CliRunner().invoke(main, [], prog_name="qgbatch")
        assert (answer.exit_code, answer.stderr) == (0, "")
        if shell == "zsh":
            lines = answer.stdout.splitlines()
            return list(zip(lines[::3], lines[1::3], strict=True))
        pairs = [line.partition("\t")[0].partition(",") for line in answer.stdout.split("\n") if line]
        return [(kind, value) for kind, _, value in pairs]

    return complete


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_shell_is_offered_commands_options_choices_and_files(shell: str, offers: Offers) -> None:
    assert offers(shell, "qgbatch e") == [("plain", "evaluate"), ("plain", "export")]
    assert offers(shell, "qgbatch cache cl") == [("plain", "clear")]
    assert offers(shell, "qgbatch run --near") == [("plain", "--near-threshold")]
    assert offers(shell, "qgbatch run --dedupe n") == [("plain", "none"), ("plain", "near")]
    assert offers(shell, "qgbatch run good") == [("file", "good")]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("run --format ", "parquet csv jsonl"),
        ("run --engine c", "ctranslate2"),
        ("run --preset r", "rag-eval reproduce"),
        ("run --compute-type int", "int8 int8_bfloat16 int16"),
        ("run --language s", "slovene spanish swedish"),
        ("run --device c", "cpu cuda"),
        ("run --encoding utf", "utf-16-be utf-16-le"),
        ("run --no-well", "--no-well-formed"),
        ("run --log-format j", "json"),
        ("export q.csv --to d", "deepeval doc2query"),
        ("finetune --report-to w", "wandb"),
        ("run --num-beams ", ""),
        ("export q.csv ", ""),
    ],
)
def test_names_are_offered(line: str, expected: str, offers: Offers) -> None:
    assert offers("bash", f"qgbatch {line}") == [("plain", name) for name in expected.split()]


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("run ", "file"),
        ("run a.txt ", "file"),
        ("run --files-from ", "file"),
        ("run -o ", "file"),
        ("run --output ", "file"),
        ("run --report ", "file"),
        ("run --config ", "file"),
        ("run --tokenizer ", "dir"),
        ("run --answers ", "dir"),
        ("run --cache-dir ", "dir"),
        ("cache info --cache-dir ", "dir"),
        ("doctor -o ", "file"),
        ("export ", "file"),
        ("report ", "file"),
        ("report q.csv -o ", "file"),
        ("export q.csv -o ", "dir"),
        ("dataset ", "file"),
        ("dataset a.json -o ", "dir"),
        ("evaluate --data ", "file"),
        ("evaluate --questions ", "file"),
        ("finetune --train-file ", "file"),
        ("finetune --init-from-scratch ", "file"),
        ("finetune --dataset ", "dir"),
        ("finetune -o ", "dir"),
    ],
)
def test_paths_are_left_to_the_shell(line: str, kind: str, offers: Offers) -> None:
    assert offers("bash", f"qgbatch {line}") == [(kind, "")]


def test_models_are_directories_and_known_names(offers: Offers) -> None:
    names = [("plain", "valhalla/t5-base-e2e-qg"), ("plain", "valhalla/t5-small-e2e-qg")]
    assert offers("bash", "qgbatch run --model v") == [("dir", "v"), *names]
    assert offers("bash", "qgbatch finetune --base v") == [("dir", "v"), *names]
    assert offers("bash", "qgbatch run --model sm") == [("dir", "sm"), ("plain", "small")]
    assert offers("bash", "qgbatch finetune --resume a") == [("dir", "a"), ("plain", "auto")]


def test_encodings_that_are_offered_are_known(offers: Offers) -> None:
    names = tuple(name for _, name in offers("bash", "qgbatch run --encoding "))
    assert FileSettings(encoding=names).encoding


def test_a_configuration_file_is_not_read(offers: Offers, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "slow.toml")  # nobody writes to it
    assert offers("bash", "qgbatch run --config slow.toml --near") == [("plain", "--near-threshold")]
    assert offers("bash", "qgbatch ru", QGBATCH_CONFIG="slow.toml") == [("plain", "run")]


MODULES = """
import sys
from qgbatch.cli import main
try:
    main(prog_name="qgbatch")
except SystemExit as end:
    assert not end.code
print(*sys.modules)
"""


def test_completion_loads_little(tmp_path: Path) -> None:
    line = {"COMP_WORDS": "qgbatch run --model sm", "COMP_CWORD": "3"}
    environment = _environment(tmp_path, _QGBATCH_COMPLETE="bash_complete", **line)
    answer = subprocess.run(
        [sys.executable, "-c", MODULES], env=environment, capture_output=True, text=True, check=True
    )
    offered, _, modules = answer.stdout.rstrip().rpartition("\n")
    assert "plain,small" in offered
    loaded = {name.split(".")[0] for name in modules.split()}
    heavy = {"torch", "transformers", "ctranslate2", "pandas", "numpy", "pyarrow", "nltk", "rapidfuzz"}
    assert not loaded & heavy
    assert "qgbatch.pipeline.api" not in modules.split()


def _set_up(shell: str, home: Path) -> None:
    """Do what docs/completion.md says, in a home directory with a file to complete."""
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")
    (home / "sample notes.txt").touch()
    blocks = re.findall(rf"^```{shell}\n(.*?)^```", PAGE, flags=re.DOTALL | re.MULTILINE)
    assert blocks
    for block in blocks:
        subprocess.run([shell, "-c", block], env=_environment(home), cwd=home, check=True)


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_a_new_shell_completes_a_line(shell: str, tmp_path: Path) -> None:
    (tmp_path / f".{shell}rc").write_text("PS1='ready> '\n")
    _set_up(shell, tmp_path)
    # Instead of the command, which completion asks, a function of its name tells what was completed.
    with (tmp_path / f".{shell}rc").open("a") as stream:
        stream.write("qgbatch() { printf '<%s>' \"$@\"; exit; }\n")
    master, slave = os.openpty()
    with subprocess.Popen(
        [shell, "-i"], env=_environment(tmp_path), cwd=tmp_path, start_new_session=True,
        stdin=slave, stdout=slave, stderr=slave,
    ) as process:  # fmt: skip
        os.close(slave)
        try:
            _read(master, until=b"ready> ")
            os.write(master, b"qgbatch ru\t--form\tpar\tsam\t\r")
            _read(master, until=b"<run><--format><parquet><sample notes.txt>")
        finally:
            process.kill()
            os.close(master)


def _read(terminal: int, until: bytes) -> None:
    """Read what a terminal shows until it is what is waited for; fail if it never is."""
    screen = b""
    while until not in screen:
        assert select.select([terminal], [], [], PATIENCE_S)[0], screen
        try:
            screen += os.read(terminal, 4096)
        except OSError:  # the shell has ended
            pytest.fail(f"the terminal shows {screen!r}")


def test_a_new_fish_completes_a_line(tmp_path: Path) -> None:
    _set_up("fish", tmp_path)

    def complete(line: str) -> list[str]:
        answer = subprocess.run(
            ["fish", "-c", f"complete -C '{line}'"],
            env=_environment(tmp_path), cwd=tmp_path, capture_output=True, text=True, check=True,
        )  # fmt: skip
        return [line.partition("\t")[0] for line in answer.stdout.splitlines()]

    assert complete("qgbatch ru") == ["run"]
    assert complete("qgbatch run --form") == ["--format"]
    assert complete("qgbatch run --format par") == ["parquet"]
    assert complete("qgbatch run sam") == ["sample notes.txt"]
