"""Publishing and downloading, against a hub on the loopback interface."""

from __future__ import annotations

import json
import pickle
import random
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import ParamSpec, TypeVar

import pytest

from qgbatch.errors import ModelError, OutputError, SettingsError
from qgbatch.models.hub import RepoType, download, prepare_repository, publish
from qgbatch.questions.answers.answerer import find_answer_model
from tests.support.loopback_hub import LFS_FROM, LoopbackHub, hub_environment

CALL = """
import pickle, sys
function, args, kwargs = pickle.load(sys.stdin.buffer)
try:
    outcome = function(*args, **kwargs)
except Exception as error:
    outcome = error
pickle.dump(outcome, sys.stdout.buffer)
"""

P = ParamSpec("P")
T = TypeVar("T")


def call(environment: Mapping[str, str], function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function in a process of its own, whose ``huggingface_hub`` reads this environment."""
    command, task = [sys.executable, "-c", CALL], pickle.dumps((function, args, kwargs))
    answer = subprocess.run(
        command, input=task, stdout=subprocess.PIPE, env=environment, check=True, timeout=60
    )
    outcome = pickle.loads(answer.stdout)
    if isinstance(outcome, Exception):
        raise outcome
    return outcome  # type: ignore[no-any-return]


@pytest.fixture
def hub() -> Iterator[LoopbackHub]:
    with LoopbackHub() as hub:
        yield hub


@pytest.fixture
def environment(hub: LoopbackHub, tmp_path: Path) -> dict[str, str]:
    return hub_environment(hub, tmp_path / "home")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Small files, a card, nested ones, an empty one, and one that is large for the hub."""
    directory = tmp_path / "model"
    (directory / "notes" / "deep").mkdir(parents=True)
    (directory / "config.json").write_text('{"model_type": "t5"}\r\n', newline="")
    (directory / "README.md").write_text("---\nlicense: apache-2.0\n---\nA model.\n")
    (directory / "notes" / "deep" / "größe.txt").write_text("日本語", encoding="utf-8")
    (directory / "notes" / "empty.txt").touch()
    (directory / "model.safetensors").write_bytes(random.Random(0).randbytes(LFS_FROM + 1_500_000))
    return directory


def fingerprints(contents: Mapping[str, bytes]) -> dict[str, str]:
    return {path: sha256(content).hexdigest() for path, content in contents.items()}


def contents_of(directory: Path) -> dict[str, bytes]:
    files = [path for path in directory.rglob("*") if path.is_file()]
    return {path.relative_to(directory).as_posix(): path.read_bytes() for path in files}


@pytest.mark.parametrize("repo_type", ["model", "dataset"])
def test_a_directory_arrives_byte_for_byte_in_one_commit(
    repo_type: RepoType, directory: Path, hub: LoopbackHub, environment: dict[str, str]
) -> None:
    assert call(environment, prepare_repository, "ann/asker", repo_type) == "ann/asker"
    address = call(environment, publish, directory, ["*"], "ann/asker", repo_type)
    assert list(hub.repositories) == [("ann/asker", repo_type)]
    assert fingerprints(hub.repositories["ann/asker", repo_type]) == fingerprints(contents_of(directory))
    assert len(hub.large_files) == 1
    assert hub.commits == [f"Upload {repo_type} with qgbatch"]
    place = {"model": "ann/asker", "dataset": "datasets/ann/asker"}[repo_type]
    assert address.startswith(f"{hub.url}/{place}/commit/")


def test_the_default_transfer_also_makes_one_commit(
    directory: Path, hub: LoopbackHub, environment: dict[str, str]
) -> None:
    (directory / "model.safetensors").unlink()
    del environment["HF_HUB_DISABLE_XET"]
    call(environment, prepare_repository, "ann/asker", "model")
    call(environment, publish, directory, ["*"], "ann/asker", "model")
    assert hub.repositories["ann/asker", "model"] == contents_of(directory)
    assert len(hub.commits) == 1


def test_only_the_named_files_are_published(
    directory: Path, hub: LoopbackHub, environment: dict[str, str]
) -> None:
    hub.repositories["ann/asker", "model"] = {}
    call(environment, publish, directory, ["README.md", "model-*", "conf*.json"], "ann/asker", "model")
    assert set(hub.repositories["ann/asker", "model"]) == {"README.md", "config.json"}


def test_publishing_again_commits_only_the_changes(
    directory: Path, hub: LoopbackHub, environment: dict[str, str]
) -> None:
    hub.repositories["ann/asker", "model"] = {"older.json": b"{}"}
    first = call(environment, publish, directory, ["*"], "ann/asker", "model")
    assert call(environment, prepare_repository, "ann/asker", "model") == "ann/asker"
    assert call(environment, publish, directory, ["*"], "ann/asker", "model") == first
    assert len(hub.commits) == 1
    (directory / "config.json").write_text("{}")
    assert call(environment, publish, directory, ["*"], "ann/asker", "model") != first
    assert len(hub.commits) == 2
    published = hub.repositories["ann/asker", "model"]
    assert fingerprints(published) == fingerprints({**contents_of(directory), "older.json": b"{}"})


def test_an_id_without_owner_belongs_to_the_user(hub: LoopbackHub, environment: dict[str, str]) -> None:
    assert call(environment, prepare_repository, "asker", "dataset") == "ann/asker"
    assert list(hub.repositories) == [("ann/asker", "dataset")]


def test_a_wrong_token_is_refused_with_a_hint(
    directory: Path, hub: LoopbackHub, environment: dict[str, str]
) -> None:
    environment["HF_TOKEN"] = "hf_eve"
    with pytest.raises(OutputError, match=r"ann/asker: cannot be published .*401.* HF_TOKEN"):
        call(environment, prepare_repository, "ann/asker", "model")
    assert hub.repositories == {}
    hub.repositories["ann/asker", "model"] = {}
    with pytest.raises(OutputError, match=r"ann/asker: cannot be published .*401.* HF_TOKEN"):
        call(environment, publish, directory, ["*"], "ann/asker", "model")
    assert hub.repositories == {("ann/asker", "model"): {}}


@pytest.mark.parametrize("repo_id", ["eve/asker", "a/b/c", "no model", "ann--asker"])
def test_an_invalid_repository_id_is_named(
    repo_id: str, hub: LoopbackHub, environment: dict[str, str]
) -> None:
    with pytest.raises(OutputError, match=rf"^{repo_id}: cannot be published .* Check the id"):
        call(environment, prepare_repository, repo_id, "model")
    assert hub.repositories == {}


def test_a_read_only_repository_is_refused(hub: LoopbackHub, environment: dict[str, str]) -> None:
    hub.repositories = {("ann/asker", "model"): {}, ("eve/asker", "model"): {}}
    with pytest.raises(OutputError, match=r"eve/asker: .*\(403: You don't have the rights"):
        call(environment, prepare_repository, "eve/asker", "model")
    del environment["HF_TOKEN"]
    with pytest.raises(OutputError, match=r"ann/asker: .*\(401: Invalid username .*hf auth login"):
        call(environment, prepare_repository, "ann/asker", "model")


def test_an_unreachable_hub_is_reported_with_a_hint(environment: dict[str, str]) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        environment["HF_ENDPOINT"] = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(OutputError, match=r"ann/asker: .*refused.* and the network"):
            call(environment, prepare_repository, "ann/asker", "model")


def test_publishing_offline_is_refused(hub: LoopbackHub, environment: dict[str, str]) -> None:
    environment["HF_HUB_OFFLINE"] = "1"
    with pytest.raises(SettingsError, match=r"--push-to-hub .*HF_HUB_OFFLINE is set\. Unset"):
        call(environment, prepare_repository, "ann/asker", "model")
    assert hub.repositories == {}


def test_a_published_model_is_downloaded_once_and_found_offline(
    directory: Path, hub: LoopbackHub, environment: dict[str, str]
) -> None:
    hub.repositories["ann/asker", "model"] = {**contents_of(directory), "checkpoint-1/config.json": b"{}"}
    patterns = ["*.json", "*.safetensors"]
    snapshot = call(environment, download, "ann/asker", None, patterns)
    wanted = {path: (directory / path).read_bytes() for path in ["config.json", "model.safetensors"]}
    assert fingerprints(contents_of(snapshot)) == fingerprints(wanted)
    environment["HF_HUB_OFFLINE"] = "1"
    assert call(environment, download, "ann/asker", None, patterns) == snapshot


def test_a_model_missing_on_the_hub_is_named(environment: dict[str, str]) -> None:
    with pytest.raises(ModelError, match=r"ann/asker: the hub gave no such model .*404.*revision"):
        call(environment, download, "ann/asker", None, ["*.json"])


def test_answer_models_are_downloaded_with_any_tokenizer_and_weights(
    tmp_path: Path, hub: LoopbackHub, environment: dict[str, str]
) -> None:
    config = {"model_type": "roberta", "vocab_size": 9}
    wanted = {
        "config.json": json.dumps(config).encode(),
        **{name: name.encode() for name in ("vocab.txt", "merges.txt", "spm.model", "pytorch_model.bin")},
        **dict.fromkeys(("vocab.json", "tokenizer.json", "tokenizer_config.json"), b"{}"),
        "sentencepiece.bpe.model": b"pieces",
    }
    others = {"tf_model.h5": b"weights", "README.md": b"A model.", "onnx/config.json": b"{}"}
    hub.repositories["ann/answers", "model"] = {**wanted, **others}
    directory = call(environment, find_answer_model, "ann/answers")
    assert contents_of(directory) == wanted
    environment["HF_HUB_OFFLINE"] = "1"
    assert call(environment, find_answer_model, "ann/answers", None) == directory
