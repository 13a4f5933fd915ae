"""Commands without the seconds of their imports: they run in forks of a process that has done them.

``WarmProcess.environment`` puts a ``qgbatch`` and a ``python`` first on PATH that hand their command to
that process. Scripts run as they are written, with their pipes, files, exit codes and signals. Tests
whose point is the start of the process use ``sys.executable`` or the console script itself.
"""

from __future__ import annotations

import os
import shlex
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

SERVER = Path(__file__).with_name("warm_server.py")
CLIENT = Path(__file__).with_name("warm_client.py")
PATIENCE_S = 120


class WarmProcess:
    """Runs commands while its context lasts.

    Args:
        variables: The environment of the process and of its commands. Commands may change what
            libraries do not read while they are imported: not where the hub is, for example.
    """

    def __init__(self, variables: Mapping[str, str]) -> None:
        self.variables = {**variables, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

    def __enter__(self) -> WarmProcess:
        # Not in pytest's directories: the address of a socket has at most 108 bytes.
        self._directory = tempfile.TemporaryDirectory(prefix="qgbatch-warm-")
        self.bin = Path(self._directory.name)
        address = str(self.bin / "socket")
        for name in ("qgbatch", "python"):
            words = shlex.join([sys.executable, "-IS", str(CLIENT), address, name])
            (self.bin / name).write_text(f'#!/bin/sh\nexec {words} "$@"\n')
            (self.bin / name).chmod(0o755)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(address)
            listener.listen()  # commands wait here while the server imports
            self._server = subprocess.Popen(
                [sys.executable, "-W", "error", str(SERVER), str(listener.fileno())],
                env=self.variables, pass_fds=[listener.fileno()],
                stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
        return self

    def __exit__(self, *_: object) -> None:
        self._server.kill()
        self._server.communicate()
        self._directory.cleanup()

    def environment(self, **variables: str) -> dict[str, str]:
        """The environment of a script whose ``qgbatch`` and ``python`` are warm."""
        path = f"{self.bin}{os.pathsep}{self.variables['PATH']}"
        return {**self.variables, "PATH": path, **variables}

    def command(self, *words: str | Path) -> list[str]:
        """A command line for ``subprocess``: ``command("qgbatch", "run", "a.txt", "-o", "-")``."""
        name, *arguments = map(str, words)
        return [str(self.bin / name), *arguments]

    def run(
        self, *words: str | Path, directory: Path | None = None, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command and capture what it writes."""
        return subprocess.run(
            self.command(*words), env=self.environment(**variables), cwd=directory,
            capture_output=True, text=True, check=False, timeout=PATIENCE_S,
        )  # fmt: skip


@pytest.fixture(scope="session")
def warm_process(tmp_path_factory: pytest.TempPathFactory, cache_home: Path) -> Iterator[WarmProcess]:
    """The warm process of a pytest worker. Its hub cache is a directory that tests may fill."""
    hub_cache = tmp_path_factory.mktemp("hub")
    with WarmProcess({**os.environ, "HF_HUB_CACHE": str(hub_cache)}) as warm:
        yield warm
