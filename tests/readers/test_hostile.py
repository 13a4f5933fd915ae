"""Inputs that change, go, lead in circles or cannot be named: each a failure of its own."""

from __future__ import annotations

import errno
import gzip
import os
import shutil
from pathlib import Path

import pytest

from qgbatch.errors import DocumentError
from qgbatch.readers import content
from qgbatch.readers.listing import Listing, list_inputs
from qgbatch.readers.reading import read_document
from qgbatch.records import Failure
from tests.support.hostile import meanwhile, without_rights

TEXT = "The ferry crosses at noon. It carries käse and tea."
PACKED = gzip.compress(TEXT.encode())


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def put(name: str, content: bytes = TEXT.encode()) -> str:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_bytes(content)
    return name


def failures(listing: Listing) -> list[Failure]:
    return [item for item in listing.items if isinstance(item, Failure)]


@pytest.mark.parametrize(
    "behind", [b"", bytes(512), gzip.compress(b"")], ids=["nothing", "padding", "empty"]
)
def test_a_gzip_file_of_several_parts_is_read_whole(behind: bytes) -> None:
    first, second = TEXT.encode()[:31], TEXT.encode()[31:]
    put("a.txt.gz", gzip.compress(first) + gzip.compress(second) + behind)
    assert read_document("a.txt.gz").text == TEXT


@pytest.mark.parametrize("cut", range(1, len(PACKED)))
def test_a_gzip_file_is_damaged_wherever_its_last_part_is_cut(cut: int) -> None:
    with pytest.raises(DocumentError, match="damaged"):
        read_document(put("a.txt.gz", PACKED + PACKED[:cut]))


@pytest.mark.parametrize("links", [{"a.txt": "b.txt", "b.txt": "a.txt"}, {"a.txt": "a.txt"}])
def test_links_in_a_circle_are_named_however_they_are_given(links: dict[str, str]) -> None:
    for name, target in links.items():
        Path("d", name).parent.mkdir(exist_ok=True)
        Path("d", name).symlink_to(target)
    for given in ("d", "d/*.txt", "**/*.txt", "d/a.txt"):
        items = list_inputs([given]).items
        assert items == sorted(f"d/{name}" for name in links)[: len(items)]
        for item in items:
            assert isinstance(item, str)
            with pytest.raises(DocumentError, match=rf"{os.strerror(errno.ELOOP)}\. Make the link point"):
                read_document(item)


def test_a_chain_of_links_ends_where_the_system_ends_it() -> None:
    put("d/0.txt")
    for number in range(1, 1500):
        Path(f"d/{number}.txt").symlink_to(f"{number - 1}.txt")
    listing = list_inputs(["d/100.txt", "d/1.txt", "d/0.txt", "d/1499.txt"])
    assert listing.items[:-1] == ["d/100.txt", "d/1.txt"]
    assert listing.skipped == {"named twice": 1}
    with pytest.raises(DocumentError, match=os.strerror(errno.ELOOP)):
        read_document("d/100.txt")
    (failure,) = failures(listing)
    assert failure.source == "d/1499.txt"
    assert "too many links" in failure.message


@pytest.mark.parametrize("name", ["gone/../a.txt", "d/../" * 1000 + "a.txt", "b.txt"])
def test_a_name_by_which_a_file_cannot_be_read_does_not_stand_for_it(name: str) -> None:
    put("a.txt")
    put("d/c.txt")
    Path("b.txt").symlink_to("gone/../a.txt")
    assert list_inputs([name, "a.txt"]).items == [name, "a.txt"]
    with pytest.raises(DocumentError):
        read_document(name)


def test_a_file_that_goes_between_listing_and_reading_is_named() -> None:
    put("d/a.txt")
    (item,) = list_inputs(["d"]).items
    assert isinstance(item, str)
    shutil.rmtree("d")
    with pytest.raises(DocumentError, match=r"d/a\.txt: No such file.* Check the path"):
        read_document(item)


@pytest.mark.parametrize("mode", ["ab", "wb", "r+b"], ids=["longer", "anew", "in place"])
def test_a_file_that_changes_while_it_is_read_is_named(mode: str) -> None:
    content = bytes(1 << 20)  # binary, so that each reading ends early and in an error
    put("a.txt", content)

    def write() -> None:
        with open("a.txt", mode) as stream:
            stream.write(b"\0" if mode == "ab" else content)

    reasons = set()
    with meanwhile(write):
        for _ in range(10_000):
            with pytest.raises(DocumentError) as caught:
                read_document("a.txt")
            reasons.add(caught.value.message)
            if "a.txt: changed while it was read." in reasons:
                return
    pytest.fail(f"old and new content may have been mixed: {reasons}")


def test_a_packed_file_that_is_too_large_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content, "MAX_DOCUMENT_BYTES", 1 << 20)
    put("a.txt.gz", gzip.compress(TEXT.encode()))
    os.truncate("a.txt.gz", 1 << 26)  # zeros behind it are valid padding
    with pytest.raises(DocumentError, match="larger than 1 MiB"):
        read_document("a.txt.gz")


@pytest.mark.parametrize("name", ["a\0.txt", "\ud800.txt"])
def test_a_name_that_no_file_can_have_is_a_failure(name: str) -> None:
    (failure,) = failures(list_inputs([name]))
    assert "no name that a file can have" in failure.message
    assert failure.source.encode()


@pytest.mark.parametrize("name", ["a" * 300 + ".txt", "d/" * 2_500 + "a.txt"])
def test_a_name_that_is_too_long_is_named(name: str) -> None:
    assert list_inputs([name]).items == [name]
    with pytest.raises(DocumentError, match=f"{os.strerror(errno.ENAMETOOLONG)}. Move it to a shorter"):
        read_document(name)


@pytest.mark.parametrize("given", ["d", "d/**/*.txt", "d/*/*.txt"])
def test_a_directory_that_may_not_be_read_is_named_in_its_place(given: str, folder: Path) -> None:
    for name in ["d/a/1.txt", "d/b/2.txt"]:
        put(name)
    for path, rights in ((folder, 0o755), (folder / "d" / "a", 0)):
        path.chmod(rights)
    with without_rights():
        listing = list_inputs([given])
    (failure,) = failures(listing)
    assert failure.source == "d/a"
    assert f"cannot be read ({os.strerror(errno.EACCES)}). Give the user" in failure.message
    assert "d/b/2.txt" in listing.items
