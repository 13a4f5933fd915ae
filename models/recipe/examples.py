r"""Step 1: write human-written and rule-made questions to one file, with the sentence of each one.

    python models/recipe/examples.py --real qg-train.json --rules pseudo-qg.jsonl.xz \
        --out examples.jsonl --validation validation.jsonl

Each line is a passage: ``{"source", "sentences": [...], "questions": [[sentence_index, text], ...]}``.
Questions that their sentence cannot answer would teach a small model to invent facts. They are
dropped here by rules that only look at words, and counted by reason. One in fifty passages with
human-written questions is set aside for validation, to choose settings with.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

from common import content_words, read_jsonl, split_sentences

QUESTION_WORDS = frozenset(["who", "whom", "whose", "what", "when", "where", "why", "how", "which"])
VAGUE = re.compile(
    r"\b(?:some(?:one|thing|body)|mentioned|stated|described|discussed|following|above|below|passage|"
    r"paragraph|article|text|author|figure|table|chapter|section|example|you|your|we|our|us|i|me|my)\b",
    re.IGNORECASE,
)
"""Words of questions that need the page around the passage, such as a figure."""
DANGLING = re.compile(r"\b(?:he|she|they|it|this|these|that|those|him|them)\b", re.IGNORECASE)
"""Pronouns, which as a subject do not say who or what the question is about."""
MIN_SHARED = {
    "squad-v1.1-train-head": 0.0, "squad-v1.1-train-via-nqg": 0.34, "qamr": 0.67, "fairytaleqa": 0.5,
    "openstax-review+glossary": 0.67, "medquad": 0.67,
}  # fmt: skip
"""Minimum share of a question's content words that its sentence must contain, by source.

The authors of SQuAD's questions were asked to use other words, and their work was checked. The
questions of the other sources were aligned to passages by rules. The values were chosen by
reading fifty questions of each source.
"""
KEEP_ONE_IN = {"medquad": 6}
"""Only one in so many passages of a source is used.

MedQuAD has few phrasings ("What are the genetic changes related to ..."), and the first model
learned them by heart.
"""
PEOPLE = re.compile(
    r"(?:ists|ians|ologers|ophers|archers|workers|settlers|soldiers|leaders|voters|farmers|scholars|peoples?"
    r"|men|women|children|parents|students|teachers|consumers|citizens|colonists|kings?|queens?|emperors?"
    r"|presidents?|doctors|nurses|slaves|immigrants|americans|europeans)$",
    re.IGNORECASE,
)
PERSON = re.compile(
    r"^(?:[a-z-]+(?:ist|ian|ologer|opher|omer|maker)|chemist|architect|planter|painter|writer|engineer|explorer"
    r"|minister|poet|king|queen|emperor|president|general|captain|bishop|monk|priest|doctor|author|composer"
    r"|inventor|merchant|senator|governor|leader|director|editor|reporter|teacher)$"
)
"""Nouns before the name of a person, as in "the planter William McKercher"."""
CUT_VERB = re.compile(
    r"\b(?:consist|depend|rely|refer|belong|result|occur|lead|contribute|focus|relate|deal|account|serve|look|"
    r"live|come|go|begin|happen|exist|appear|arise|derive|differ|range|vary|work|act|respond|react|adhere)\?$"
)
"""Verbs without their preposition, which a rule cut off: "What does the gland consist?"."""


def main() -> None:
    """Read both files and write the passages with the questions that are kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--real", type=Path, required=True, help="SQuAD's JSON with a source for each article"
    )
    parser.add_argument("--rules", type=Path, required=True, help="JSONL (.xz) of questions made by rules")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument(
        "--validation", type=Path, required=True, help="output for the passages that are set aside"
    )
    arguments = parser.parse_args()
    dropped: Counter[str] = Counter()
    kept: Counter[str] = Counter()
    with (
        open(arguments.out, "w", encoding="utf-8") as out,
        open(arguments.validation, "w", encoding="utf-8") as aside,
    ):
        real = read_real(arguments.real, dropped)
        rules = read_rules(arguments.rules, dropped)
        for passage in (*real, *rules):
            kept[passage["source"]] += len(passage["questions"])
            file = aside if is_set_aside(passage) else out
            file.write(json.dumps(passage, ensure_ascii=False) + "\n")
    print("kept", dict(kept))
    print("dropped", dict(dropped))


def is_set_aside(passage: dict[str, Any]) -> bool:
    """Return whether a passage is set aside; only its own text decides this, not the other passages."""
    digest = hashlib.sha256(" ".join(passage["sentences"]).encode()).digest()
    return passage["source"] != "rules" and digest[0] < 5


def read_real(path: Path, dropped: Counter[str]) -> Iterator[dict[str, Any]]:
    """Yield passages with human-written questions.

    Each question is aligned with the sentence that contains most of its content words.
    """
    articles = json.loads(path.read_text(encoding="utf-8"))["data"]
    for article in articles:
        source = article["source"]
        for number, paragraph in enumerate(article["paragraphs"]):
            if number % KEEP_ONE_IN.get(source, 1):
                dropped[f"{source}: sampled"] += len(paragraph["qas"])
                continue
            sentences = split_sentences(paragraph["context"])
            questions = []
            for question in dict.fromkeys(qa["question"].strip() for qa in paragraph["qas"]):
                index, shared = align(question, sentences)
                reason = reason_to_drop(question, shared, source)
                if reason:
                    dropped[f"{source}: {reason}"] += 1
                else:
                    questions.append([index, question])
            if questions:
                yield {"source": source, "sentences": sentences, "questions": sorted(questions)}


def align(question: str, sentences: Iterable[str]) -> tuple[int, float]:
    """Return the index of the sentence with most content words of a question, and their share, 0 to 1."""
    words = set(content_words(question))
    shares = [len(words & set(content_words(sentence))) / max(1, len(words)) for sentence in sentences]
    best = max(range(len(shares)), key=lambda index: shares[index])
    return best, shares[best]


def reason_to_drop(question: str, shared: float, source: str) -> str | None:
    """Return the reason to drop a human-written question, or None to keep it.

    Args:
        question: The text.
        shared: Share of its content words in its sentence, 0 to 1.
        source: The data set that it comes from.
    """
    words = question.lower().rstrip("?").split()
    if not question.endswith("?") or not 4 <= len(words) <= 24 or not QUESTION_WORDS & set(words):
        return "form"
    if len(content_words(question)) < 2:
        return "too few content words"
    if not source.startswith("squad"):
        if VAGUE.search(question):
            return "vague"
        if any(DANGLING.fullmatch(word) for word in words[2:4]):
            return "pronoun"
    return "not in the passage" if shared < MIN_SHARED[source] else None


def read_rules(path: Path, dropped: Counter[str]) -> Iterator[dict[str, Any]]:
    """Yield passages with rule-made questions, after correcting or dropping known mistakes of the rules."""
    rows = list(read_jsonl(path))
    nouns = {
        word for row in rows for sentence in row["sentences"] for word in sentence.split() if word.islower()
    }
    for row in rows:
        questions = []
        for index, question in row["questions"]:
            corrected = correct(question, row["sentences"][index], nouns)
            if corrected is None:
                dropped["rules"] += 1
            else:
                questions.append([index, corrected])
        if questions:
            yield {"source": "rules", "sentences": row["sentences"], "questions": questions}


def correct(question: str, sentence: str, nouns: Collection[str]) -> str | None:
    """Return a rule-made question with the right question word, or None to drop it.

    A question for the subject ("What" plus the rest of the sentence) becomes a "Who" question if
    the subject is a person. A name by itself can be a person or a thing, so its question is
    dropped, as are questions with too few content words.

    Args:
        question: The text.
        sentence: The sentence that the rule made it from.
        nouns: Words that occur in lower case. A capitalized subject that is not one of them is a name.
    """
    if CUT_VERB.search(question) or VAGUE.search(question) or len(content_words(question)) < 2:
        return None
    first, _, rest = question.rstrip("?").partition(" ")
    place = sentence.find(rest)
    if first not in ("What", "Who") or place <= 0:
        return question
    subject = sentence[:place].split()
    if not subject or subject[-1].endswith("'s") or len(content_words(rest)) < 3:
        return None
    if PEOPLE.search(subject[-1]):
        return f"Who {rest}?"
    if first == "Who" or not subject[-1][0].isupper() or subject[-1].lower() in nouns:
        return question
    return f"Who {rest}?" if any(PERSON.search(word) for word in subject[:-1]) else None


if __name__ == "__main__":
    main()
