"""The model, tokenizer, sentence splitter and engine of a run, each loaded when first used."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from itertools import chain
from pathlib import Path
from threading import RLock

import qgbatch
from qgbatch.chunking.chunker import ChunkLimits, SplitSentences, chunk_document, keep_whole
from qgbatch.engines.base import Batch, Engine, EngineChoice, SpecialIds
from qgbatch.engines.batching import BatchBudget, make_batches
from qgbatch.engines.choice import LoadEngine, choose_engine, load_engine
from qgbatch.errors import SettingsError, name_setting
from qgbatch.models.checkpoint import ModelFiles, checkpoint_sha256, choose_decoding, find_model
from qgbatch.models.tokenizer import PromptTokenizer, load_tokenizer
from qgbatch.models.tokenizer_files import find_tokenizer
from qgbatch.output.run_facts import Provenance, json_value, json_values
from qgbatch.pipeline.decisions import log_batch_size
from qgbatch.questions.answers.answerer import Answerer, find_answer_model
from qgbatch.questions.ranker import Ranker, load_ranker
from qgbatch.questions.review import ReviewDecisions
from qgbatch.records import Chunk, Document, Generation, InputIds
from qgbatch.settings import Decoding, FileSettings, Settings

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Components:
    """What a run needs to turn documents into questions.

    The heavy components are loaded when first used, so a run whose results are all in the
    cache loads none of them.
    """

    settings: Settings
    model: ModelFiles
    decoding: Decoding
    tokenizer_dir: Path
    limits: ChunkLimits
    engine_choice: EngineChoice
    cache_dir: Path
    answer_model: Path | None
    ranker: Ranker | None
    load_engine: LoadEngine
    _loading: RLock = field(default_factory=RLock, init=False, repr=False, compare=False)
    """Held while a component is loaded, because chunking runs in another thread."""

    @classmethod
    def find(
        cls, settings: Settings, cache_dir: Path, *, load_engine: LoadEngine = load_engine
    ) -> Components:
        """Find the model, its tokenizer and the engine for it, without loading them.

        Args:
            settings: What decides the questions.
            cache_dir: The directory of the cache, which also holds converted models.
            load_engine: Loads the engine when it is first needed. Tests pass the ``load`` method
                of a :class:`qgbatch.engines.fake.FakeEngine`. The results of other engines have
                their own keys in the cache.

        Raises:
            ModelError: The model is missing.
            SettingsError: The settings do not fit the model, each other or this machine.
        """
        model = find_model(settings.model, settings.revision)
        decoding = choose_decoding(settings, model)
        max_tokens = settings.max_tokens or model.metadata.max_source_tokens
        target_tokens = settings.target_tokens or model.metadata.target_tokens or max_tokens
        return cls(
            settings,
            model,
            decoding,
            find_tokenizer(model, settings.tokenizer),
            ChunkLimits(max_tokens, min(target_tokens, max_tokens)),
            choose_engine(settings, do_sample=decoding.do_sample),
            cache_dir,
            find_answer_model(settings.answers) if settings.answers else None,
            _find_ranker(model, settings),
            load_engine,
        )

    @property
    def min_score(self) -> float | None:
        """Minimum score of a question: the user's, else the ranker's, else none."""
        min_score = self.settings.min_score
        if min_score is not None and (self.ranker or min_score <= 0):
            return min_score
        return self.ranker.min_score if self.ranker else None

    @property
    def gives_answers(self) -> bool:
        """Whether questions come with answers, from the model itself or from an answer model."""
        writes_answers = self.model.metadata.output_format.pair_pattern is not None
        return self.answer_model is not None or writes_answers

    @cached_property
    def tokenizer(self) -> PromptTokenizer:
        """The tokenizer; the chunk limits are checked against it.

        Raises:
            ModelError: The tokenizer is damaged or does not fit the model.
            SettingsError: The limits leave no room for text.
        """
        tokenizer = load_tokenizer(self.model, str(self.tokenizer_dir))
        self.limits.check(tokenizer.n_prompt_tokens)
        return tokenizer

    @cached_property
    def split_sentences(self) -> SplitSentences:
        """The sentence splitter for the language of the settings."""
        from qgbatch.chunking.sentences import SentenceSplitter

        return SentenceSplitter(self.settings.language)

    @cached_property
    def engine(self) -> Engine:
        """The engine, with the weights loaded.

        Raises:
            ModelError: The weights are damaged.
        """
        tokenizer = self.tokenizer
        special = SpecialIds(
            tokenizer.pad_id,
            tokenizer.eos_id,
            tokenizer.unk_id,
            tokenizer.separator_ids,
            tokenizer.answer_separator_ids,
        )
        # The same values as in the cache key, so that no other value can decide a result.
        decoding = self.decoding.effective
        engine = self.load_engine(self.engine_choice, self.model, decoding, special, self.cache_dir)
        log_batch_size(self.settings, engine)
        return engine

    @cached_property
    def answerer(self) -> Answerer:
        """The answer model; only valid if :attr:`answer_model` is set.

        Raises:
            ModelError: Its weights are damaged.
        """
        assert self.answer_model
        settings = self.settings
        return Answerer(
            self.answer_model,
            device=settings.device,
            dtype=settings.dtype,
            budget=BatchBudget(settings.batch_tokens) if settings.batch_tokens else BatchBudget(),
        )

    @property
    def batch_budget(self) -> BatchBudget:
        """The size of a batch; without a setting, the engine is loaded and chooses it."""
        batch_tokens = self.settings.batch_tokens
        return BatchBudget(batch_tokens) if batch_tokens else self.engine.budget

    def load(self) -> None:
        """Load the tokenizer and the engine unless they are loaded.

        Raises:
            ModelError: One of them is damaged.
            SettingsError: The limits leave no room for text.
        """
        with self._loading:
            _ = self.tokenizer, self.engine

    def chunks(self, document: Document) -> Iterator[Chunk]:
        """Split a document into chunks, unless it is to stay whole."""
        with self._loading:
            tokenizer, split_sentences = self.tokenizer, self.split_sentences
        if not self.settings.chunking:
            split_long = self.settings.on_long_row == "split"
            max_tokens = self.limits.max_tokens
            return keep_whole(document, tokenizer, split_sentences, max_tokens, split_long=split_long)
        return chunk_document(document, tokenizer, split_sentences, self.limits)

    def batches(self, inputs: Sequence[InputIds]) -> list[Batch]:
        """Group inputs into batches for the engine, longest first."""
        if not inputs:
            return []
        indices = make_batches(
            [len(input_ids) for input_ids in inputs],
            self.batch_budget,
            fixed_padding=self.engine_choice.needs_fixed_padding,
        )
        return [[inputs[index] for index in batch] for batch in indices]

    def generate(self, batches: Iterable[Batch]) -> Iterator[tuple[Batch, list[Generation | None]]]:
        """Yield each batch with its generations, in order. An empty batch does not load the engine.

        The engine takes some batches before it returns the results of earlier ones.
        """
        batches = iter(batches)
        for first in batches:
            if first:
                yield from self._generate(chain([first], batches))
            else:
                yield first, []

    def _generate(self, batches: Iterable[Batch]) -> Iterator[tuple[Batch, list[Generation | None]]]:
        taken: deque[Batch] = deque()

        def note(batch: Batch) -> Batch:
            taken.append(batch)
            return batch

        for generations in self.engine.generate(map(note, batches)):
            yield taken.popleft(), generations

    def provenance(
        self, files: FileSettings | None = None, decisions: ReviewDecisions | None = None
    ) -> Provenance:
        """What the output depends on besides the documents; ``files`` says how they are read."""
        review = {"review_sha256": decisions.sha256} if decisions else {}
        return Provenance(
            qgbatch=qgbatch.__version__,
            model=self.model.name,
            model_revision=self.model.revision,
            model_sha256=self.model.sha256,
            engine=self.engine_choice.name,
            device=self.engine_choice.device,
            precision=self.engine_choice.precision,
            settings=json_values(self.settings)
            | asdict(self.decoding)
            | asdict(self.limits)
            | {"min_score": self.min_score},
            answers_sha256=checkpoint_sha256(self.answer_model) if self.answer_model else None,
            extra=json_value(files.deciding_rows | review) if files else {},
        )


def _find_ranker(model: ModelFiles, settings: Settings) -> Ranker | None:
    """Load the ranker of a model, and check that the minimum scores fit the model."""
    ranker = load_ranker(model.directory)
    if ranker is None and (settings.min_score or 0.0) > 0:
        logger.warning(
            "%s has no effect: scores of %s are mean log-probabilities, 0 or less. Use a negative number, "
            "such as -0.2.",
            name_setting("min_score", settings.min_score),
            model.name,
        )
    scores_answers = settings.answers or model.metadata.answer_separator
    if settings.min_answer_score is not None and not scores_answers:
        raise SettingsError(
            f"{name_setting('min_answer_score')}: {model.name} does not score answers.",
            f"Name a model that does with {name_setting('answers')}.",
        )
    return ranker
