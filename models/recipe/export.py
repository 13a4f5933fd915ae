"""Step 7: write the checkpoint that is published, with weights in bfloat16.

python models/recipe/export.py --checkpoint tuned --tokenizer tokenizer --out models/mini
"""

from __future__ import annotations

import argparse
import json
import shutil
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForSeq2SeqLM, GenerationConfig, T5ForConditionalGeneration

GENERATION = {
    "num_beams": 4, "max_length": 128, "length_penalty": 1.5, "no_repeat_ngram_size": 6,
    "early_stopping": True, "decoder_start_token_id": 0, "pad_token_id": 0, "eos_token_id": 1,
}  # fmt: skip
METADATA = {
    "prefix": "generate questions: ", "suffix": "", "separator": "<sep>", "max_source_tokens": 512,
    "target_tokens": 64, "license": "CC-BY-SA-4.0",
}  # fmt: skip


def main() -> None:
    """Read a checkpoint and write the published one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument(
        "--tokenizer",
        type=Path,
        required=True,
        help="directory with spiece.model, which the checkpoint lacks",
    )
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    model = AutoModelForSeq2SeqLM.from_pretrained(arguments.checkpoint, dtype=torch.float32)
    export(model, arguments.tokenizer, arguments.out)


def export(model: Any, tokenizer: Path, out: Path) -> None:
    """Write the weights in bfloat16, the tokenizer, and the settings for prompt and decoding."""
    out.mkdir(parents=True, exist_ok=True)
    config = deepcopy(model.config)
    config.update({"use_cache": True, "dropout_rate": 0.1})  # T5's values
    copy: Any = T5ForConditionalGeneration(config)
    copy.to(torch.bfloat16)
    copy.load_state_dict(model.state_dict())
    copy.generation_config = GenerationConfig(**GENERATION)
    copy.save_pretrained(out)
    for file in ("spiece.model", "tokenizer.json", "tokenizer_config.json"):
        shutil.copy(tokenizer / file, out)
    (out / "qgbatch.json").write_text(json.dumps(METADATA, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
