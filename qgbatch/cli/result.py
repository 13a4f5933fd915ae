"""Prints what a command found out, the only thing besides data on standard output."""

from __future__ import annotations

from qgbatch.output.atomic import STDOUT, open_output


def print_result(text: str) -> None:
    """Print the result of a command on standard output.

    Raises:
        OutputError: Standard output is closed or full.
    """
    with open_output(STDOUT) as stream:
        stream.write(text.encode(errors="backslashreplace") + b"\n")  # file names need not be valid Unicode
