"""CTranslate2 pads integer batches as fixed padding requires."""

from __future__ import annotations

from pathlib import Path

import pytest

from qgbatch.engines.base import EngineChoice, SpecialIds
from qgbatch.engines.ctranslate2 import CTranslate2Engine
from qgbatch.models.checkpoint import find_model
from qgbatch.settings import Decoding
from tests.conftest import MINI

SPECIAL = SpecialIds(0, 1, 2, frozenset({8100}))


@pytest.mark.parametrize(
    ("precision", "lengths", "filler_length"),
    [("int8", (17, 17), 18), ("int8", (65,), 72), ("int8", (36, 33), None), ("float32", (17,), None)],
)
def test_a_filler_row_brings_a_batch_to_its_padded_length(
    precision: str, lengths: tuple[int, ...], filler_length: int | None, tmp_path: Path
) -> None:
    choice = EngineChoice("ctranslate2", "cpu", precision)
    decoding = Decoding(num_beams=1, max_new_tokens=4)
    engine = CTranslate2Engine(choice, find_model(str(MINI)), decoding, SPECIAL, tmp_path)
    sent: list[list[list[str]]] = []
    translate = engine._translator.translate_batch

    class Spy:
        def translate_batch(self, inputs: list[list[str]], **options: object) -> object:
            sent.append(inputs)
            return translate(inputs, **options)

    engine._translator = Spy()
    batch = [tuple([40] * (length - 1) + [1]) for length in lengths]
    [generations] = engine.generate([batch])
    assert len(generations) == len(batch)
    [inputs] = sent
    assert [len(row) for row in inputs] == [*lengths, *([filler_length] if filler_length else [])]
