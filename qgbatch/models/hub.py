"""Downloads from and uploads to the Hugging Face hub."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Literal

from qgbatch.errors import InputError, ModelError, OutputError, SettingsError, name_setting

RepoType = Literal["model", "dataset"]


def download(name: str, revision: str | None, patterns: list[str]) -> Path:
    """Download files of a repository into the local hub cache, unless they are already there.

    Args:
        name: The hub id.
        revision: Branch, tag or commit; ``None`` is the default branch.
        patterns: Patterns of the file names to download; folders are never included.

    Returns:
        The local directory with the files.

    Raises:
        ModelError: The hub could not be reached, or has no such repository or revision.
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
            f"{name}: not a directory, not in the local hub cache, and the hub could not be reached.",
            f"Download it once (hf download {name}), or give a directory.",
        ) from error
    except Exception as error:  # huggingface_hub and its HTTP library raise many types
        raise ModelError(
            f"{name}: the hub gave no such model ({_reason(error)}).",
            f"Check the id, {name_setting('revision')} and your access (hf auth login), or give a "
            "directory.",
        ) from error


def find_dataset(name: str) -> None:
    """Ask the hub once, without retries, whether it has a dataset.

    Raises:
        InputError: The hub could not be reached, or has no such dataset.
    """
    from huggingface_hub import constants, dataset_info

    try:
        dataset_info(name, timeout=constants.HF_HUB_ETAG_TIMEOUT)
    except Exception as error:  # huggingface_hub and its HTTP library raise many types
        raise InputError(
            f"{name}: not a directory here, and cannot be loaded from the hub ({_reason(error)}).",
            "Check the name, your access and the network (HF_HUB_OFFLINE=1 needs it in the cache).",
        ) from error


def prepare_repository(repo_id: str, repo_type: RepoType) -> str:
    """Create a repository if it does not exist, and check that the user may write to it.

    Call this before a long training run, so that a wrong id or token is found at once.

    Args:
        repo_id: ``owner/name``, or only ``name`` for a repository of the user.
        repo_type: Kind of the repository.

    Returns:
        The full id, ``owner/name``.

    Raises:
        OutputError: The hub could not be reached, or refused the user.
        SettingsError: ``HF_HUB_OFFLINE`` is set.
    """
    from huggingface_hub import auth_check, constants, create_repo

    if constants.HF_HUB_OFFLINE:
        raise SettingsError("--push-to-hub needs the hub, but HF_HUB_OFFLINE is set.", "Unset one of them.")
    try:
        full_id = str(create_repo(repo_id, repo_type=repo_type, exist_ok=True).repo_id)
        # create_repo succeeds for any existing repository that is public.
        auth_check(full_id, repo_type=repo_type, write=True)
    except Exception as error:  # huggingface_hub and its HTTP library raise many types
        raise _cannot_publish(repo_id, error) from error
    return full_id


def publish(directory: Path, files: Collection[str], repo_id: str, repo_type: RepoType) -> str:
    """Upload files of a directory in one commit.

    Files that only exist in the repository stay there.

    Args:
        directory: Local directory.
        files: Names or patterns of the files to upload; other files are not uploaded.
        repo_id: Full id of the repository, ``owner/name``.
        repo_type: Kind of the repository.

    Returns:
        The URL of the commit.

    Raises:
        OutputError: The upload failed, after several retries.
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
    except Exception as error:  # see download
        raise _cannot_publish(repo_id, error) from error
    return str(commit.commit_url)


def _cannot_publish(repo_id: str, error: Exception) -> OutputError:
    return OutputError(
        f"{repo_id}: cannot be published on the hub ({_reason(error)}).",
        "Check the id, your access (hf auth login, or HF_TOKEN) and the network.",
    )


def _reason(error: BaseException) -> str:
    """Return the hub's answer, or else the client's message, on one line."""
    from huggingface_hub.errors import HfHubHTTPError

    if isinstance(error, HfHubHTTPError):  # str(error) may start with a request id only
        answer = error.server_message or error.response.reason_phrase
        return f"{error.response.status_code}: {' '.join(answer.split())}"
    reason = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, RuntimeError) and error.__cause__:  # raised by the upload of a large file
        return f"{reason} {_reason(error.__cause__)}"
    return reason
