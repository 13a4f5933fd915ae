"""What a worker of a distributed run writes into its parts."""

from __future__ import annotations

import json
from typing import Any

from qgbatch.pipeline.distributed.worker import part_provenance
from qgbatch.settings import FileSettings
from tests.support.tables import PROVENANCE


class Model:
    """Stands for the components of a run."""

    def provenance(self) -> Any:
        return PROVENANCE


def test_a_part_knows_the_text_columns_in_their_order() -> None:
    model: Any = Model()
    provenance = part_provenance(model, FileSettings(text_column=("b", "a"))).to_json()
    assert provenance["text_column"] == ["b", "a"]
    assert json.loads(json.dumps(provenance)) == provenance
