"""Drawing tokens by noise: the right shares, and the same for a row in any batch."""

from __future__ import annotations

import torch

from qgbatch.engines.sampling import SeededSampling
from qgbatch.settings import Decoding

LOGITS = torch.tensor([2.0, 1.0, 0.0, -1.0])
DRAWN = Decoding(do_sample=True, num_beams=1)


def draw(decoding: Decoding, n_steps: int) -> torch.Tensor:
    """Shares of the tokens drawn for one row."""
    sampling = SeededSampling(decoding, [(5, 6, 1)])
    drawn = torch.stack([sampling(None, LOGITS[None]).argmax(-1) for _ in range(n_steps)])
    return torch.bincount(drawn.flatten(), minlength=4) / n_steps


def test_tokens_are_drawn_by_their_probability() -> None:
    assert torch.allclose(draw(DRAWN, 4000), LOGITS.softmax(-1), atol=0.03)


def test_temperature_and_cuts_come_first() -> None:
    cold = Decoding(do_sample=True, num_beams=1, temperature=0.5)
    assert torch.allclose(draw(cold, 4000), (LOGITS / 0.5).softmax(-1), atol=0.03)
    assert draw(Decoding(do_sample=True, num_beams=1, top_k=2), 500)[2:].sum() == 0
    assert draw(Decoding(do_sample=True, num_beams=1, top_p=0.5), 500)[1:].sum() == 0


def test_a_row_is_drawn_alike_in_any_batch() -> None:
    alone = SeededSampling(DRAWN, [(5, 6, 1)])
    among = SeededSampling(DRAWN, [(7, 1), (5, 6, 1)])
    for _ in range(5):
        assert torch.equal(alone(None, LOGITS[None])[0], among(None, LOGITS.repeat(2, 1))[1])


def test_the_score_is_that_of_the_model() -> None:
    sampling = SeededSampling(Decoding(do_sample=True, num_beams=1, top_k=1, temperature=9.0), [(5, 1)])
    for _ in range(3):
        sampling(None, LOGITS[None])
    assert torch.isclose(torch.tensor(sampling.log_probabilities([2])[0]), 2 * LOGITS.log_softmax(-1)[0])
