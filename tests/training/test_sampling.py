"""Seeded sampling: the right frequencies, and the same tokens for a row in any batch."""

from __future__ import annotations

import torch

from qgbatch.engines.sampling import SeededSampling
from qgbatch.settings import Decoding

LOGITS = torch.tensor([2.0, 1.0, 0.0, -1.0])
DRAWN = Decoding(do_sample=True, num_beams=1)


def sample_frequencies(decoding: Decoding, n_steps: int) -> torch.Tensor:
    """Frequencies of the tokens sampled for one row."""
    sampling = SeededSampling(decoding, [(5, 6, 1)])
    drawn = torch.stack([sampling(None, LOGITS[None]).argmax(-1) for _ in range(n_steps)])
    return torch.bincount(drawn.flatten(), minlength=4) / n_steps


def test_tokens_are_sampled_with_their_probability() -> None:
    assert torch.allclose(sample_frequencies(DRAWN, 4000), LOGITS.softmax(-1), atol=0.03)


def test_temperature_top_k_and_top_p_apply_before_sampling() -> None:
    cold = Decoding(do_sample=True, num_beams=1, temperature=0.5)
    assert torch.allclose(sample_frequencies(cold, 4000), (LOGITS / 0.5).softmax(-1), atol=0.03)
    assert sample_frequencies(Decoding(do_sample=True, num_beams=1, top_k=2), 500)[2:].sum() == 0
    assert sample_frequencies(Decoding(do_sample=True, num_beams=1, top_p=0.5), 500)[1:].sum() == 0


def test_the_sample_does_not_depend_on_the_batch() -> None:
    alone = SeededSampling(DRAWN, [(5, 6, 1)])
    among = SeededSampling(DRAWN, [(7, 1), (5, 6, 1)])
    for _ in range(5):
        assert torch.equal(alone(None, LOGITS[None])[0], among(None, LOGITS.repeat(2, 1))[1])


def test_the_score_is_the_log_probability_of_the_model() -> None:
    sampling = SeededSampling(Decoding(do_sample=True, num_beams=1, top_k=1, temperature=9.0), [(5, 1)])
    for _ in range(3):
        sampling(None, LOGITS[None])
    assert torch.isclose(torch.tensor(sampling.log_probabilities([2])[0]), 2 * LOGITS.log_softmax(-1)[0])
