"""The Hugging Face hub: what is fetched from it, and what is published there."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Literal

from qgbatch.errors import ModelError, OutputError, SettingsError

RepoType = Literal["model", "dataset"]


def download(name: str, revision: str | None, patterns: list[str]) -> Path:
    """Bring files of a hub id into the local hub cache, or find them there.

    Raises:
        ModelError: the hub was not reached, or has no such thing.
    """
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        return Path(
            snapshot_download(
                name,
                revision=revision,
                allow_patterns=patterns,
                ignore_patterns="*/*",
                local_files_only=constants.HF_HUB_OFFLINE,
            )
        )
    except LocalEntryNotFoundError as error:
        raise ModelError(
            f"{name}: not a directory, not in the local hub cache, and the hub was not reached.",
            f"Run once with a network (hf download {name}), or give a directory.",
        ) from error
    except Exception as error:  # of the hub or of whatever HTTP library it uses
        raise ModelError(
            f"{name}: the hub gave no such model ({_reason(error)}).",
            "Check the id, --revision and your access (hf auth login), or give a directory.",
        ) from error


def prepare_repository(repo_id: str, repo_type: RepoType) -> str:
    """Make a repository, or find that it is there, and give its full id, ``owner/name``.

    Called before hours of work that end in it. An id without owner is the user's own.

    Raises:
        OutputError: the hub was not reached, or does not know the user or the right.
        SettingsError: ``HF_HUB_OFFLINE`` is set.
    """
    from huggingface_hub import auth_check, constants, create_repo

    if constants.HF_HUB_OFFLINE:
        raise SettingsError("--push-to-hub needs the hub, but HF_HUB_OFFLINE is set.", "Unset one of them.")
    try:
        full_id = str(create_repo(repo_id, repo_type=repo_type, exist_ok=True).repo_id)
        # create_repo is content with a repository that everybody may read.
        auth_check(full_id, repo_type=repo_type, write=True)
    except Exception as error:  # of the hub or of whatever HTTP library it uses
        raise _cannot_publish(repo_id, error) from error
    return full_id


def publish(directory: Path, files: Collection[str], repo_id: str, repo_type: RepoType) -> str:
    """Upload files of a directory to a repository's full id and give the address of the commit.

    ``files`` are their names or patterns; nothing else in the directory goes out. What is
    in the repository alone stays there.

    Raises:
        OutputError: the upload failed, after some retries.
    """
    from huggingface_hub import upload_folder

    try:
        commit = upload_folder(
            folder_path=directory,
            repo_id=repo_id,
            repo_type=repo_type,
            allow_patterns=list(files),
            commit_message=f"Upload {repo_type} with qgbatch",
        )
    except Exception as error:  # as above
        raise _cannot_publish(repo_id, error) from error
    return str(commit.commit_url)


def _cannot_publish(repo_id: str, error: Exception) -> OutputError:
    return OutputError(
        f"{repo_id}: cannot be published on the hub ({_reason(error)}).",
        "Check the id, your access (hf auth login, or HF_TOKEN) and the network.",
    )


def _reason(error: BaseException) -> str:
    """What the hub answered, else what its client says, on one line."""
    from huggingface_hub.errors import HfHubHTTPError

    if isinstance(error, HfHubHTTPError):  # its own text may begin with nothing but a request id
        answer = error.server_message or error.response.reason_phrase
        return f"{error.response.status_code}: {' '.join(answer.split())}"
    reason = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, RuntimeError) and error.__cause__:  # a large file's upload
        return f"{reason} {_reason(error.__cause__)}"
    return reason
