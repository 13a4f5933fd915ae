"""The answer that an extractive model finds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Answer:
    """The best answer to a question in a text, with its scores."""

    text: str
    """Equals ``context[start_char:end_char]``; empty if the text offers no candidate."""
    start_char: int
    end_char: int
    """Offsets into the context, in code points, half open."""
    score: float
    """Probability of this span's start times that of its end, 0 to 1. Both are normalised over the
    tokens of the text and the first token of the input, which stands for "no answer"."""
    no_answer_score: float
    """Probability that the text contains no answer, 0 to 1; the minimum over strides of a long text. It
    is meaningful for models trained on unanswerable questions, such as those of SQuAD 2. Wherever it
    exceeds ``score``, ``score`` is below 0.5, so one threshold on ``score`` is enough.
    """
