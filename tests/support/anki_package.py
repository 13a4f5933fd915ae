"""Reads a deck of flash cards without Anki."""

from __future__ import annotations

import json
import sqlite3
import zipfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Note:
    """A note, its fields as HTML."""

    guid: str
    tags: str
    question: str
    answer: str
    passage: str
    source: str


@dataclass(frozen=True, slots=True)
class Deck:
    """The only deck of a package, and its only note type."""

    name: str
    deck_id: int
    model: dict[str, Any]
    notes: list[Note]
    modified: int
    """When the notes changed last, in seconds."""


def unpacked(path: Path) -> bytes:
    """The bytes of a file, or those of the members of a package."""
    if path.suffix != ".apkg":
        return path.read_bytes()
    with zipfile.ZipFile(path) as package:
        return b"".join(map(package.read, package.namelist()))


def read_package(path: Path) -> Deck:
    """Read an ``.apkg``, and check that every note has one card."""
    with zipfile.ZipFile(path) as package:
        assert package.namelist() == ["collection.anki2", "media"]
        assert package.read("media") == b"{}"
        database = package.read("collection.anki2")
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.deserialize(database)
        ((models, decks),) = connection.execute("SELECT models, decks FROM col").fetchall()
        notes = connection.execute("SELECT guid, trim(tags), flds FROM notes ORDER BY id").fetchall()
        times = connection.execute("SELECT DISTINCT mod FROM notes").fetchall()
        cards = connection.execute("SELECT count(*), count(DISTINCT nid), count(DISTINCT due) FROM cards")
        assert cards.fetchall() == [(len(notes),) * 3]
    (model,) = json.loads(models).values()
    (deck,) = (deck for deck in json.loads(decks).values() if deck["id"] != 1)  # 1: Anki's own
    found = [Note(guid, tags, *fields.split("\x1f")) for guid, tags, fields in notes]
    ((modified,),) = times
    return Deck(deck["name"], deck["id"], model, found, modified)
