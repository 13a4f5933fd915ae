"""An engine without a model, for tests: its questions are made of the words that it is given."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from qgbatch.engines.base import (
    Batch,
    EngineChoice,
    SpecialIds,
    make_generation,
    with_recorded_scores,
)
from qgbatch.engines.batching import BatchBudget
from qgbatch.models.checkpoint import ModelFiles
from qgbatch.models.tokenizer import PromptTokenizer, load_tokenizer
from qgbatch.records import Generation, InputIds
from qgbatch.settings import Decoding

_WORDS_PER_QUESTION = 4
_QUESTIONS_PER_INPUT = 3


class FakeEngine:
    """Asks up to three questions per input, and then the first one again.

    If the model writes answers, each question asks for the word after those that it contains. The
    questions are deterministic. They are tokenized, cut off at ``max_new_tokens`` and split
    at the separator as those of a model are, so that the later stages have real work.

    Pass :meth:`load` where a function that loads an engine is expected::

        fake = FakeEngine()
        qgbatch.run(["docs"], "q.csv", load_engine=fake.load)
        main(["run", "docs", "-o", "q.csv"], obj=fake.load)  # the command line

    Args:
        too_large: texts; an input that contains one of them does not fit into memory.
        n_ahead: how many batches it takes before it returns the first result.
        n_recorded: how many of the last batches it keeps for a look at them; ``None`` keeps all.
    """

    def __init__(
        self, *, too_large: Sequence[str] = (), n_ahead: int = 1, n_recorded: int | None = None
    ) -> None:
        self.budget = BatchBudget()
        self.batches: deque[Batch] = deque(maxlen=n_recorded)
        """The last batches that it was given."""
        self.max_waiting = 0
        """The largest number of batches that it held at the same time."""
        self._too_large = too_large
        self._n_ahead = n_ahead

    @property
    def inputs(self) -> list[InputIds]:
        """The inputs in the last batches that it was given."""
        return [input_ids for batch in self.batches for input_ids in batch]

    def load(
        self,
        choice: EngineChoice,
        model: ModelFiles,
        decoding: Decoding,
        special: SpecialIds,
        cache_dir: Path,
    ) -> FakeEngine:
        """Read the tokenizer only; the weights are not needed."""
        self._tokenizer: PromptTokenizer = load_tokenizer(model)
        self._prefix = model.metadata.prefix
        self._max_new_tokens = decoding.max_new_tokens
        self._special = special
        return self

    def generate(self, batches: Iterable[Batch]) -> Iterator[list[Generation | None]]:
        """Yield the generations of each batch, in order."""
        waiting: deque[Batch] = deque()
        for batch in batches:
            self.batches.append(batch)
            waiting.append(batch)
            self.max_waiting = max(self.max_waiting, len(waiting))
            if len(waiting) == self._n_ahead:
                yield self._ask(waiting.popleft())
        while waiting:
            yield self._ask(waiting.popleft())

    def _ask(self, batch: Batch) -> list[Generation | None]:
        texts = [self._tokenizer.decode(input_ids).removeprefix(self._prefix) for input_ids in batch]
        pairs = [_make_questions(text) for text in texts]
        questions = [[question for question, _ in asked] for asked in pairs]
        answers = [[answer for _, answer in asked] for asked in pairs]
        outputs = self._tokenizer.encode_targets(questions, answers)
        return [
            None if any(words in text for words in self._too_large) else self._make_generation(ids)
            for text, ids in zip(texts, outputs, strict=True)
        ]

    def _make_generation(self, output: InputIds) -> Generation:
        ids = output[: self._max_new_tokens]
        generation = make_generation(ids, -float(sum(ids) % 97), self._special)
        if not self._special.answer_separators:
            return generation
        log_probabilities = [-(token % 7) / 10 for token in ids]
        return with_recorded_scores(generation, ids, log_probabilities, self._special)


def _make_questions(text: str) -> list[tuple[str, str]]:
    words = [word.strip(".,;:!?") for word in text.split()]
    starts = range(0, len(words), _WORDS_PER_QUESTION)[:_QUESTIONS_PER_INPUT]
    pairs = [
        (
            f"What of {' '.join(words[start : start + _WORDS_PER_QUESTION])}?",
            " ".join(words[start + _WORDS_PER_QUESTION : start + _WORDS_PER_QUESTION + 1]),
        )
        for start in starts
    ]
    return pairs + pairs[:1]
