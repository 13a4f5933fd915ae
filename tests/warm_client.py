"""A command on PATH that a warm process runs: ``warm_client.py SOCKET NAME ARGUMENT...``.

It takes the place of ``qgbatch`` or ``python`` in scripts. The command gets this process's standard
streams, working directory, environment and signals; this process ends as the command ends.
Only small modules are imported, since every command starts this script.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from pathlib import Path


def main() -> None:
    """Send the command to the server, pass signals on, and end with the exit status of the command."""
    address, *words = sys.argv[1:]
    request = {"words": words, "directory": str(Path.cwd()), "environment": dict(os.environ)}
    content = json.dumps(request).encode()
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(address)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda number, _: server.send(bytes([number])))
        socket.send_fds(server, [len(content).to_bytes(8)], [0, 1, 2])
        server.sendall(content)
        answer = server.recv(4)
    if not answer:
        sys.exit("the warm process has ended")
    status = os.waitstatus_to_exitcode(int.from_bytes(answer))
    if status < 0:  # killed by a signal
        if -status != signal.SIGKILL:
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    sys.exit(status)


main()
