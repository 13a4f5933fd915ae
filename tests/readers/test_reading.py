"""Which inputs are read, in which order, and which fail."""

from __future__ import annotations

import codecs
import errno
import gzip
import io
import os
import sys
import tracemalloc
from pathlib import Path

import pytest

from qgbatch.errors import DocumentError, InputError
from qgbatch.readers import content
from qgbatch.readers.listing import Listing, list_inputs, read_list
from qgbatch.readers.reading import read_document
from qgbatch.records import Failure

TEXT = "The ferry crosses at noon. It carries käse and tea."


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def put(name: str, content: bytes = TEXT.encode()) -> str:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_bytes(content)
    return name


def type_in(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))


def failures(listing: Listing) -> list[Failure]:
    return [item for item in listing.items if isinstance(item, Failure)]


@pytest.mark.parametrize("name", ["a.txt", "a.md", "a.txt.gz", "a.md.gz", "A.TXT", "A.Md.Gz"])
def test_text_and_markdown_may_be_gzipped(name: str) -> None:
    put(name, gzip.compress(TEXT.encode()) if name.lower().endswith(".gz") else TEXT.encode())
    assert list_inputs([name]).items == [name]
    document = read_document(name)
    assert (document.source, document.text) == (name, TEXT)


@pytest.mark.parametrize(
    ("content", "encodings", "text"),
    [
        ("käse".encode(), [], "käse"),
        (codecs.BOM_UTF8 + "käse".encode(), [], "käse"),
        (codecs.BOM_UTF16_LE + "käse".encode("utf-16-le"), [], "käse"),
        (codecs.BOM_UTF16_BE + "käse".encode("utf-16-be"), [], "käse"),
        ("käse".encode("utf-16-le"), ["utf-16-le"], "käse"),
        ("käse".encode("utf-16-le"), ["cp1252", "utf-16-le"], "käse"),
        ("käse".encode("cp1252"), ["cp1252"], "käse"),
        ("käse".encode(), ["cp1252"], "käse"),
        (codecs.BOM_UTF8 + "käse".encode(), ["cp1252"], "käse"),
        (b"\xb9", ["cp1250", "latin-1"], "ą"),
        (b"\xb9", ["latin-1", "cp1250"], "¹"),
        (b"a\x81", ["cp1252", "latin-1"], "a\x81"),
    ],
)
def test_a_byte_order_mark_then_utf8_then_the_given_encodings_are_tried(
    content: bytes, encodings: list[str], text: str
) -> None:
    assert read_document(put("a.txt", content), encodings).text == text


def test_line_breaks_of_windows_and_old_macs_become_line_feeds() -> None:
    assert read_document(put("a.txt", b"one\r\ntwo\rthree\n")).text == "one\ntwo\nthree\n"


@pytest.mark.parametrize(
    ("content", "telling"),
    [
        (b"", ["is empty"]),
        (codecs.BOM_UTF8, ["is empty"]),
        (" \r\n\t\u00a0".encode(), ["only white space"]),
        (b"ab\0c", ["binary", "offset 2"]),
        ("ab".encode("utf-16-le"), ["binary", "encoding=('utf-16-le',)"]),
        (b"caf\xe9", ["utf-8", "byte 3", "encoding="]),
        (codecs.BOM_UTF16_LE + b"abc", ["utf-16", "byte"]),
    ],
)
def test_a_file_without_text_is_refused_with_the_reason(content: bytes, telling: list[str]) -> None:
    with pytest.raises(DocumentError) as caught:
        read_document(put("a.txt", content))
    assert [part for part in ["a.txt: ", *telling] if part not in str(caught.value)] == []


def test_every_encoding_that_was_tried_is_named_with_its_byte() -> None:
    tried = r"utf-8 \(byte 1\), nor ascii \(byte 1\), nor cp1252 \(byte 2\)"
    with pytest.raises(DocumentError, match=tried):
        read_document(put("a.txt", b"a\xe9\x81"), ["ascii", "cp1252"])


PACKED = gzip.compress(TEXT.encode())


@pytest.mark.parametrize(
    "content",
    [PACKED[:-9], PACKED[:10] + b"\xff" * 20, PACKED[:-8] + bytes(8), b"plain text", PACKED + b"x"],
    ids=["cut off", "bad block", "wrong checksum", "not packed", "something behind"],
)
def test_a_damaged_gzip_file_is_named(content: bytes) -> None:
    with pytest.raises(DocumentError, match=r"a\.txt\.gz: the gzip file is damaged"):
        read_document(put("a.txt.gz", content))


def test_an_empty_gzip_file_is_an_empty_document() -> None:
    with pytest.raises(DocumentError, match="is empty"):
        read_document(put("a.txt.gz", b""))


@pytest.mark.parametrize("suffix", [".txt", ".txt.gz"])
def test_a_document_may_be_as_large_as_the_limit_and_no_larger(
    suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(content, "MAX_DOCUMENT_BYTES", 10)
    pack = gzip.compress if suffix.endswith("gz") else bytes
    assert read_document(put("a" + suffix, pack(b"x" * 10))).text == "x" * 10
    with pytest.raises(DocumentError, match="larger than"):
        read_document(put("b" + suffix, pack(b"x" * 11)))


def test_a_gzip_bomb_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    put("bomb.txt.gz", gzip.compress(bytes(32 << 20)))
    monkeypatch.setattr(content, "MAX_DOCUMENT_BYTES", 1 << 20)
    tracemalloc.start()
    with pytest.raises(DocumentError, match="larger than 1 MiB"):
        read_document("bomb.txt.gz")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 << 20


def test_a_missing_path_is_listed_and_named_when_read() -> None:
    assert list_inputs(["no/such.txt"]).items == ["no/such.txt"]
    with pytest.raises(DocumentError, match=r"no/such\.txt: No such file.* Check the path"):
        read_document("no/such.txt")


def test_a_dangling_link_is_named_with_its_target() -> None:
    Path("a.txt").symlink_to("gone.txt")
    assert list_inputs(["."]).items == ["./a.txt"]
    with pytest.raises(DocumentError, match=r"a\.txt: .*gone\.txt"):
        read_document("a.txt")


def test_a_device_or_pipe_is_not_read() -> None:
    Path("a.txt").symlink_to(os.devnull)  # a pipe would hang where this test should fail
    with pytest.raises(DocumentError, match=r"a\.txt: a device, pipe.*standard input"):
        read_document("a.txt")


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="a file that even root cannot read")
def test_an_unreadable_file_is_named_with_the_system_s_reason() -> None:
    Path("a.txt").symlink_to("/proc/self/mem")
    with pytest.raises(DocumentError, match=rf"a\.txt: {os.strerror(errno.EIO)}"):
        read_document("a.txt")


def test_a_name_that_is_not_utf8_is_read_and_shown_escaped() -> None:
    put(os.fsdecode(b"n\xff.txt"))
    (item,) = list_inputs(["."]).items
    assert isinstance(item, str)
    assert read_document(item).source == "./n\\xff.txt"


def test_standard_input_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    type_in(monkeypatch, b"typed\r\n")
    document = read_document("-")
    assert (document.source, document.text) == ("-", "typed\n")


def test_arguments_keep_their_order_and_directories_are_sorted() -> None:
    for name in ["d/b/2.txt", "d/b/1.md", "d/a.txt", "d/c.txt", "d/a/z.txt.gz", "z.txt", "a.txt"]:
        put(name)
    assert list_inputs(["z.txt", "d", "-", "a.txt"]).items == [
        "z.txt", "d/a.txt", "d/c.txt", "d/a/z.txt.gz", "d/b/1.md", "d/b/2.txt", "-", "a.txt",
    ]  # fmt: skip


def test_files_in_a_directory_that_are_not_read_are_counted() -> None:
    for name in [
        "d/a.txt",
        "d/.b.txt",
        "d/.git/c.txt",
        "d/p.png",
        "d/q.png",
        "d/Makefile",
        "e/x.txt",
        "d/t.csv",
    ]:
        put(name)
    Path("d/link").symlink_to("../e")
    listing = list_inputs(["d"])
    assert listing.items == ["d/a.txt"]
    assert listing.skipped == {
        "hidden": 2,
        "suffix .png": 2,
        "suffix (none)": 1,
        "linked directory": 1,
        "table in a directory": 1,
    }


def test_a_directory_without_documents_is_a_failure() -> None:
    put("d/p.png")
    listing = list_inputs(["d"])
    (failure,) = failures(listing)
    assert (failure.source, failure.stage) == ("d", "read")
    assert "no documents" in failure.message
    assert ".txt.gz" in failure.message
    assert listing.skipped == {"suffix .png": 1}


def test_a_file_of_an_unknown_kind_is_a_failure_that_names_the_known_kinds() -> None:
    (failure,) = failures(list_inputs([put("a.png")]))
    assert failure.source == "a.png"
    assert ".md" in failure.message


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("*.txt", ["a.txt", "b.txt"]),
        ("[bc].*", ["b.txt", "c.md"]),
        ("**/*.txt", ["a.txt", "b.txt", "d/e/f.txt"]),
        ("d/**", ["d/e/f.txt"]),
    ],
)
def test_a_glob_gives_its_files_sorted(pattern: str, names: list[str]) -> None:
    for name in ["b.txt", "d/e/f.txt", "c.md", "a.txt"]:
        put(name)
    listing = list_inputs([pattern])
    assert listing.items == names
    assert "named twice" not in listing.skipped


def test_a_glob_that_matches_nothing_is_a_failure() -> None:
    (failure,) = failures(list_inputs(["*.txt"]))
    assert failure.source == "*.txt"
    assert "pattern" in failure.message


def test_a_glob_that_matches_only_directories_is_reported() -> None:
    put("day1/a.txt")
    listing = list_inputs(["day*"])
    assert listing.items or listing.skipped


def test_a_file_whose_name_looks_like_a_pattern_is_read() -> None:
    put("a1.txt")
    assert list_inputs([put("a[1].txt")]).items == ["a[1].txt"]


def test_a_path_that_is_named_twice_is_read_once_and_counted() -> None:
    put("d/a.txt")
    Path("link.txt").symlink_to("d/a.txt")
    listing = list_inputs(["-", "d/a.txt", "d", "link.txt", "d/*.txt", "./d/../d/a.txt", "-"])
    assert listing.items == ["-", "d/a.txt"]
    assert listing.skipped == {"named twice": 5}


@pytest.mark.parametrize(
    ("content", "names"),
    [
        (b"a.txt\nb c.txt\n", ["a.txt", "b c.txt"]),
        (b"a.txt\r\n\r\n  \nb.txt", ["a.txt", "b.txt"]),
        (b"a\nb.txt\0c.txt\0", ["a\nb.txt", "c.txt"]),
        (b"n\xff.txt\n", [os.fsdecode(b"n\xff.txt")]),
        (b"", []),
        (b"a\0", ["a"]),
        (b"./a\0./b\0", ["./a", "./b"]),
        (codecs.BOM_UTF8 + b"a.txt\n", ["a.txt"]),
        ("w.txt\r\nkäse.txt\r\n".encode("utf-16"), ["w.txt", "käse.txt"]),
        (codecs.BOM_UTF16_BE + "/w.txt".encode("utf-16-be"), ["/w.txt"]),
        ("w.txt\n/b".encode("utf-16-le"), ["w.txt", "/b"]),
        ("w.txt\n/b".encode("utf-16-be"), ["w.txt", "/b"]),
    ],
)
def test_a_list_of_inputs_is_separated_by_lines_or_nul(
    content: bytes, names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert read_list(put("list", content)) == names
    type_in(monkeypatch, content)
    assert read_list("-") == names


@pytest.mark.parametrize("path", ["no-list", "."])
def test_a_list_that_cannot_be_read_is_named(path: str) -> None:
    with pytest.raises(InputError, match=rf"--files-from {path}: "):
        read_list(path)


@pytest.mark.parametrize(
    "content", ["w.txt".encode("utf-16-le"), b"a\0b\0", "w.txt\n".encode("utf-16")[:-1], b"\xff\xfe\0\xd8"]
)
def test_a_list_that_cannot_be_decoded_is_refused(content: bytes) -> None:
    with pytest.raises(InputError, match=r"--files-from list: .*UTF-16"):
        read_list(put("list", content))
