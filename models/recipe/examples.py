r"""Step 3: turn questions about passages into training examples, and set some aside for validation.

    python models/recipe/examples.py --human qg-more.jsonl.xz \
        --written models/recipe/data/written.jsonl.xz \
        --texts wiki-corpus.jsonl.xz corpus.jsonl.xz --out examples

Writes texts.jsonl and texts-aside.jsonl for the first training and its validation, human.jsonl and
human-aside.jsonl for the second, and written.jsonl, human-best.jsonl and written-aside.jsonl for the third.
A line of the texts is ``{"text"}``, and of the others ``{"source", "context", "text",
"questions": [[question, answer or null], ...]}``, where "context" is the text before "text", or empty.

A passage with human questions is cut into windows of one to four sentences, and is also used whole if it
has three questions or more. A question stays in a window only if it can be understood without the passage
and if its names and numbers occur in the window or in the text before it. The written examples need no
changes.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from common import read_jsonl, write_jsonl

from qgbatch.chunking.sentences import SentenceSplitter

SHARES = {
    "qadiscourse": 0, "qamr": 0, "doqa-cooking": 0, "qasper": 0, "qasrl-natural": 0, "scitail": 0.2,
    "oanc-mcq": 0.3, "fairytaleqa": 0.1, "wikiwhy": 0.06, "covidqa": 0.6, "fetaqa": 0.4, "nq-clapnq": 0.2,
    "nq-open": 0.2, "nq-qed": 0.3, "selqa": 0.4, "squad-v1.1-train-sentences": 0.6,
}  # fmt: skip
"""Share of the passages of a source that is used; 1 if it is not named.

A model that is trained on more of wikiwhy or fairytaleqa asks "Why" or "What did ... do after" of any text.
"""
BEST_SOURCES = (
    "squadshifts-new-wiki", "squad-v1.1-train-head", "squad-v1.1-train-mrqa", "squad-v1.1-train-1000",
    "tydiqa-english", "nq-", "selqa", "fetaqa", "oanc-mcq",
)  # fmt: skip
"""The beginnings of the sources that the third training uses.

Questions of the other sources are more often weak.
"""
N_BEST = 5_000
"""Examples of these sources that are drawn for the third training, about two to five written ones."""
MIN_TEXT_WORDS = 20
N_TEXTS_ASIDE = 400
TEXTS_SEED = 3
SEED = 13
BEST_SEED = 7
ASIDE_ONE_IN_HUMAN = 64
ASIDE_ONE_IN_WRITTEN = 26
WINDOW_SENTENCES = (1, 1, 2, 2, 3, 4)
"""Each number of sentences is equally likely."""
MIN_WINDOW_WORDS, MAX_WINDOW_WORDS = 6, 240
WORDS_PER_QUESTION = 11
"""A window has at most one question per so many words, but at least two and at most ten."""
MAX_CONTEXT_WORDS = 45
CONTEXT_SHARE = 0.75
"""Share of the windows inside a passage that get the text before them."""
MAX_ANSWER_WORDS = 12
MIN_SHARED = 0.45
"""Minimum share of a question's content words that its sentence or window contains."""
VAGUE = re.compile(
    r"\b(?:passage|paragraph|article|author|text|following|above|below|figure|table|mentioned|this section"
    r"|the story|narrator|speaker)\b",
    re.IGNORECASE,
)
PRONOUN = re.compile(r"\b(?:he|she|they|them|him|it|this|these|those|that one|we|us|our|I|my|you|your)\b")
POSSESSIVE = re.compile(r"\b(?:his|her|their|its|hers|theirs)\b")
QUESTION_WORD = re.compile(r"\b(?:what|who|whom|whose|when|where|why|how|which)\b", re.IGNORECASE)
_STOP_WORDS = """
a an the of in on at to for from by with and or is are was were be been being do does did has have had
what who whom whose when where why how which that this it its as can could would should may might many much
"""
STOP_WORDS = frozenset(_STOP_WORDS.split())
STEM_CHARS = 6

Span = tuple[int, int]
Asked = tuple[str, str | None, int]
"""A question, its answer, and the offset in the passage that it asks about."""


def main() -> None:
    """Write the four files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--human", type=Path, required=True, help="JSONL (.xz) of passages with questions")
    parser.add_argument("--written", type=Path, required=True, help="JSONL (.xz) of examples")
    parser.add_argument("--texts", type=Path, nargs="+", required=True, help="JSONL (.xz) of paragraphs")
    parser.add_argument("--out", type=Path, required=True, help="directory")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    written = list(enumerate(read_jsonl(arguments.written)))
    human, human_aside = human_examples(arguments.human)
    best = [row for row in human if row["source"].startswith(BEST_SOURCES) and has_answer(row)]
    texts = long_texts(arguments.texts)
    write_jsonl(arguments.out / "texts.jsonl", texts[N_TEXTS_ASIDE:])
    write_jsonl(arguments.out / "texts-aside.jsonl", texts[:N_TEXTS_ASIDE])
    print(f"texts.jsonl: {len(texts) - N_TEXTS_ASIDE} texts")
    files = {
        "human": human,
        "human-aside": human_aside,
        "human-best": random.Random(BEST_SEED).sample(best, min(N_BEST, len(best))),
        "written": [row for number, row in written if number % ASIDE_ONE_IN_WRITTEN],
        "written-aside": [row for number, row in written if number % ASIDE_ONE_IN_WRITTEN == 0],
    }
    for name, rows in files.items():
        write_jsonl(arguments.out / f"{name}.jsonl", rows)
        asked = [answer for row in rows for _, answer in row["questions"]]
        n_contexts = sum(bool(row["context"]) for row in rows)
        print(
            f"{name}.jsonl: {len(rows)} examples, {len(asked)} questions, {sum(map(bool, asked))} answers, "
            f"{n_contexts} with text before"
        )


def long_texts(paths: Sequence[Path]) -> list[dict[str, str]]:
    """Return the paragraphs that have enough words, shuffled."""
    texts = [row["text"] for path in paths for row in read_jsonl(path)]
    kept = [{"text": text} for text in texts if len(text.split()) >= MIN_TEXT_WORDS]
    random.Random(TEXTS_SEED).shuffle(kept)
    return kept


def has_answer(row: Mapping[str, Any]) -> bool:
    """Return whether a question of an example has an answer."""
    return any(answer for _, answer in row["questions"])


def human_examples(path: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the examples with human questions for training and those for validation, both shuffled."""
    split, rng, seen = SentenceSplitter("english"), random.Random(SEED), set[str]()
    examples: list[dict[str, Any]] = []
    aside: list[dict[str, Any]] = []
    for row in read_jsonl(path):
        if rng.random() < SHARES.get(row["source"], 1):
            spans = [(sentence.start_char, sentence.end_char) for sentence in split(row["context"])]
            kept = aside if is_set_aside(row["context"]) else examples
            kept += cut_passage(row, spans, align(row, spans, seen), rng)
    rng.shuffle(examples)
    rng.shuffle(aside)
    return examples, aside


def is_set_aside(text: str) -> bool:
    """Return whether a passage is for validation; only its own text decides this."""
    return hashlib.sha256(text.encode()).digest()[0] % ASIDE_ONE_IN_HUMAN == 0


def align(row: Mapping[str, Any], spans: Sequence[Span], seen: set[str]) -> Mapping[int, list[Asked]]:
    """Return the usable questions of a passage, by the index of the sentence that they ask about.

    Args:
        row: The passage, its questions and their answers.
        spans: The sentences of the passage.
        seen: Questions in lower case that are already used, which this function extends.
    """
    text = row["context"]
    words = [stems(text[start:end]) for start, end in spans]
    asked: defaultdict[int, list[Asked]] = defaultdict(list)
    for entry in row["questions"]:
        question, answer = tidy(entry["question"]), (entry["answer"] or "").strip(" .,;") or None
        if question.lower() in seen or not is_standalone(question):
            continue
        if entry["start"] is None:
            index = most_similar(stems(question), words)
        else:
            inside = (at for at, (start, end) in enumerate(spans) if start <= entry["start"] < end)
            index = next(inside, None)
        if index is None or (answer and not is_usable_answer(answer, question, text)):
            continue
        seen.add(question.lower())
        place = spans[index][0] if entry["start"] is None else entry["start"]
        asked[index].append((question, answer, place))
    return asked


def most_similar(question: set[str], sentences: Sequence[set[str]]) -> int | None:
    """Return the index of the sentence that contains most of a question's stems, if it contains enough."""
    shares = [len(question & sentence) / len(question) for sentence in sentences]
    best = max(range(len(shares)), key=shares.__getitem__, default=None)
    return None if best is None or shares[best] < MIN_SHARED else best


def is_usable_answer(answer: str, question: str, text: str) -> bool:
    """Return whether an answer is short, occurs in the text and says more than the question."""
    is_short = len(answer.split()) <= MAX_ANSWER_WORDS
    return is_short and answer in text and not stems(answer) <= stems(question)


def cut_passage(
    row: Mapping[str, Any], spans: Sequence[Span], asked: Mapping[int, list[Asked]], rng: random.Random
) -> Iterator[dict[str, Any]]:
    """Yield the examples of a passage: all of it if it has many questions, and windows of sentences."""
    text = row["context"]
    for first, last in choose_windows(len(spans), sum(map(len, asked.values())), rng):
        inside = text[spans[first][0] : spans[last - 1][1]]
        has_context = first > 0 and rng.random() < CONTEXT_SHARE
        context = text_before(text, spans, first) if has_context else ""
        known = f"{context} {inside}"
        candidates = [entry for index in range(first, last) for entry in asked.get(index, ())]
        found = [entry for entry in candidates if is_supported(entry[0], known)]
        n_words = len(inside.split())
        if not found or not MIN_WINDOW_WORDS <= n_words <= MAX_WINDOW_WORDS:
            continue
        n_questions = min(len(found), max(2, min(10, n_words // WORDS_PER_QUESTION)))
        chosen = sorted(rng.sample(found, n_questions), key=lambda entry: entry[2])
        questions = [
            [question, answer if answer and answer in inside else None] for question, answer, _ in chosen
        ]
        yield {"source": row["source"], "context": context, "text": inside, "questions": questions}


def choose_windows(n_sentences: int, n_questions: int, rng: random.Random) -> Iterator[Span]:
    """Yield the first and the end of the sentences of each window; the first can be the whole passage."""
    if n_sentences >= 3 and n_questions >= 3:
        yield 0, n_sentences
    first = 0
    while first < n_sentences:
        end = first + rng.choice(WINDOW_SENTENCES)
        yield first, min(n_sentences, end)
        first = end


def text_before(text: str, spans: Sequence[Span], first: int) -> str:
    """Return the sentences before a window, at most :data:`MAX_CONTEXT_WORDS` words."""
    end = spans[first - 1][1]
    start = first
    while start and len(text[spans[start - 1][0] : end].split()) <= MAX_CONTEXT_WORDS:
        start -= 1
    return text[spans[start][0] : end] if start < first else ""


def is_standalone(question: str) -> bool:
    """Return whether a question names what it asks about, and asks it at the beginning."""
    asks = QUESTION_WORD.search(question)
    if VAGUE.search(question) or not asks or not 4 <= len(question.split()) <= 25:
        return False
    if len(stems(question)) < 2 or len(question[asks.start() :].split()) <= 2:  # "The sea is called what?"
        return False
    if match := PRONOUN.search(question):
        names = any(word[0].isupper() for word in question[: match.start()].split()[1:])
        if match.group() not in {"he", "she", "they"} or not names:
            return False
    if match := POSSESSIVE.search(question):
        before = question[: match.start()].split()[1:]
        return any(word[0].isupper() or len(word) > 5 for word in before)
    return True


def is_supported(question: str, text: str) -> bool:
    """Return whether a text has the names and numbers of a question, and enough of its content words."""
    lower = text.lower()
    for word in re.findall(r"[A-Za-z][\w'\u2019-]*|\d[\d,.]*", question)[1:]:
        name = re.sub(r"['\u2019]s$", "", word).lower().rstrip(".,")
        if (word[0].isupper() or word[0].isdigit()) and name not in lower:
            return False
    return len(stems(question) & stems(text)) >= MIN_SHARED * len(stems(question))


def tidy(question: str) -> str:
    """Return a question with single spaces, a capital letter and one question mark."""
    question = re.sub(r"\s+", " ", question).strip().strip("\"'\u201c\u201d").rstrip(" ?.") + "?"
    return question[0].upper() + question[1:]


def stems(text: str) -> set[str]:
    """Return the first letters of the content words of a text, so that "produced" equals "production"."""
    words = re.findall(r"\w+", text.lower())
    return {
        word if word.isdigit() else word[:STEM_CHARS]
        for word in words
        if len(word) > 1 and word not in STOP_WORDS
    }


if __name__ == "__main__":
    main()
