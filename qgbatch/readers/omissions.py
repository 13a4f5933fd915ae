"""What readers leave out of a document, counted by kind."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from qgbatch.errors import DocumentError
from qgbatch.records import Failure, OmittedKind


@dataclass(slots=True)
class Omissions:
    """What is left out of one file. A reader fills it while it reads."""

    source: str
    """The file, for messages."""
    counts: Counter[OmittedKind] = field(default_factory=Counter)
    unread_parts: list[Failure] = field(default_factory=list)

    def leave_out_part(self, part: str, reason: str | Exception) -> None:
        """Record that a part of the file cannot be read and that the rest is.

        Args:
            part: What the part is and its name, such as ``chapter c2.xhtml``.
            reason: Why it is left out, as a clause, or the error that prevents reading it.
        """
        self.counts["unreadable_parts"] += 1
        if isinstance(reason, Exception):
            message = reason.message if isinstance(reason, DocumentError) else str(reason)
            reason = f"it cannot be read ({message.removesuffix('.') or type(reason).__name__})"
        error = DocumentError(f"{self.source}: {part} is left out: {reason}.")
        self.unread_parts.append(Failure.of(self.source, "part", error))
