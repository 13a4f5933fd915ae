"""Random damage to files, the same for the same seed."""

from __future__ import annotations

import io
import random
import zipfile

from tests.support.documents import make_zip

_TOKENS = [
    b"<", b">", b"&", b"\"", b"'", b"{", b"}", b"[", b"]", b"(", b")", b"\\", b"/", b"-->", b"<!--", b"]]>",
    b"\n", b"\r", b"\t", b"\0", b"\xff", b"\xef\xbb\xbf", b"\xff\xfe", b"```", b"---", b"+++", b"::", b"..",
    b"<table>", b"</p>", b"<script>", b"<sup>", b"<pre>", b"%PDF-1.4", b"endobj", b"stream", b"PK\x03\x04",
    b"0", b"-1", b"1e999", b"NaN", b"null", b"true", b"99999999999999999999", b",", b";", b"=", b"#", b":",
]  # fmt: skip


def mutate(data: bytes, dice: random.Random) -> bytes:
    """The data with one to four edits: a byte, a token, a slice removed or repeated, or the end cut off."""
    for _ in range(dice.randint(1, 4)):
        start = dice.randrange(len(data) + 1)
        end = min(len(data), start + int(dice.expovariate(0.1)))
        middle = dice.choice(
            [
                bytes([dice.randrange(256)]),
                dice.choice(_TOKENS),
                b"",
                2 * data[start:end],
                dice.randbytes(4),
            ]
        )
        data = data[:start] + middle + data[end:]
    return data[: dice.randrange(len(data) + 1)] if dice.random() < 0.05 else data


def mutate_archive(data: bytes, dice: random.Random) -> bytes:
    """The archive with damage inside one of its members, or in one case of five to its bytes."""
    if dice.random() < 0.2:
        return mutate(data, dice)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members: dict[str, str | bytes] = {name: archive.read(name) for name in archive.namelist()}
    name = dice.choice(list(members))
    content = members[name]
    assert isinstance(content, bytes)
    if dice.random() < 0.1:
        del members[name]
    else:
        members[name] = mutate(content, dice)
    return make_zip(members)
