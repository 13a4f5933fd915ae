"""A process that has imported what is slow to import, and forks a child for each command.

``python warm_server.py DESCRIPTOR`` serves an inherited UNIX socket until its standard input is closed. A
command arrives from ``warm_client.py``: its words, working directory, environment and standard streams. The
child runs it as a new interpreter would, from ``sys.argv`` to the exit handlers. It does not destroy its
modules at the end: for those that it shares with the server this takes seconds.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import pkgutil
import runpy
import select
import signal
import socket
import sys
import threading
import traceback
import types
from collections.abc import Callable
from typing import Any

LAZY_MODULES = (
    "accelerate",
    "ctranslate2.converters",
    "datasets",
    "matplotlib.figure",
    "nltk.stem.snowball",
    "nltk.tokenize.punkt",
    "pandas",
    "pyarrow.dataset",
    "pyarrow.parquet",
    "torch.distributed",
    "transformers.models.auto.tokenization_auto",
    "transformers.models.t5.modeling_t5",
    "transformers.models.t5.tokenization_t5",
    "transformers.trainer_seq2seq",
)
"""What qgbatch and its libraries import only when they need it."""


def import_heavy_modules() -> None:
    """Import all modules of qgbatch and the libraries that they use. None starts a thread that works."""
    # The commands set these before they import the libraries, which read them only then.
    os.environ |= {"HF_HUB_DISABLE_PROGRESS_BARS": "1", "TRANSFORMERS_VERBOSITY": "error"}
    import qgbatch

    for module in pkgutil.walk_packages(qgbatch.__path__, "qgbatch."):
        if not module.name.startswith("qgbatch._"):
            importlib.import_module(module.name)
    for name in LAZY_MODULES:
        importlib.import_module(name)
    gc.freeze()  # else each child's first collection would copy the memory of all objects


def serve(listener: socket.socket) -> dict[str, Any]:
    """Fork for each command. Returns only in a child, with the command that it has to run."""
    while True:
        readable, _, _ = select.select([listener, sys.stdin], [], [])
        if listener not in readable:
            sys.exit()
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            return supervise(connection)
        connection.close()


def supervise(connection: socket.socket) -> dict[str, Any]:
    """Fork once more: the child returns the command; its parent serves the client until the child ends."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    header, streams, _, _ = socket.recv_fds(connection, 8, 3)
    content = connection.recv(int.from_bytes(header), socket.MSG_WAITALL)
    ended, held = os.pipe()
    child = os.fork()
    if child == 0:
        connection.close()
        os.close(ended)  # the child's end, held, is closed when it ends
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        request: dict[str, Any] = json.loads(content)
        return request
    for stream in (*streams, held):
        os.close(stream)
    pass_signals(connection, child, ended)
    _, status = os.waitpid(child, 0)
    connection.send(status.to_bytes(4))
    os._exit(0)


def pass_signals(connection: socket.socket, child: int, ended: int) -> None:
    """Pass the client's signals on to the child until it ends; kill the child if the client is gone."""
    while True:
        sources: list[socket.socket | int] = [connection, ended]
        readable, _, _ = select.select(sources, [], [])
        if ended in readable:
            return
        number = connection.recv(1)
        os.kill(child, number[0] if number else signal.SIGKILL)
        if not number:
            return


def run(words: list[str], directory: str, environment: dict[str, str]) -> None:
    """Run ``qgbatch``, ``python -c CODE`` or ``python -m MODULE`` in this process."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    check_environment(environment)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(directory)
    sys.path[0] = ""
    name, *arguments = words
    if name == "qgbatch":
        from qgbatch.__main__ import entry

        sys.argv = words
        entry()
    elif arguments[0] == "-m":
        sys.argv = arguments[1:]
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    else:
        assert arguments[0] == "-c", words
        sys.argv = ["-c", *arguments[2:]]
        main = sys.modules["__main__"] = types.ModuleType("__main__")
        exec(compile(arguments[1], "<string>", "exec"), main.__dict__)


def check_environment(environment: dict[str, str]) -> None:
    """Fail where the command would see another hub: huggingface_hub read its variables when imported."""
    there, wanted = (
        {
            name: value
            for name, value in variables.items()
            if name.startswith("HF_") and name not in ("HF_TOKEN", "HF_HUB_DISABLE_PROGRESS_BARS")
        }
        for variables in (os.environ, environment)
    )
    if there != wanted:
        sys.exit(f"the warm process was started with {there}, not with {wanted}")


def exit_code_of(command: Callable[[], None]) -> int:
    """Run a command and what an interpreter does at its exit."""
    code: object = 0
    try:
        command()
    except SystemExit as end:
        code = end.code or 0
    except BaseException:
        traceback.print_exc()
        code = 1
    if not isinstance(code, int):
        sys.stderr.write(f"{code}\n")
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]  # waits for threads
    atexit._run_exitfuncs()
    sys.stdout.flush()
    return code


def main() -> None:
    """Serve; in a child, run the command and end as it ends."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(fileno=int(sys.argv[1])) as listener:
        import_heavy_modules()
        request = serve(listener)
    os._exit(exit_code_of(lambda: run(**request)))


if __name__ == "__main__":
    main()
