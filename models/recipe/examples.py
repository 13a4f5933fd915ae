r"""Step 1: questions of people and of rules -> one file of sentences and the questions about them.

    python models/recipe/examples.py --real qg-train.json --rules pseudo-qg.jsonl.xz \
        --out examples.jsonl --validation validation.jsonl

A line is a passage: ``{"source", "sentences": [...], "questions": [[sentence_index, text], ...]}``.
Questions that their sentence cannot answer teach a small model to make things up; those are
left out here, by rules that look at words alone, and counted. One passage of people's
questions in fifty is set aside, to choose settings by.
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
"""Words of questions that need more than the passage, or a page that is not there."""
DANGLING = re.compile(r"\b(?:he|she|they|it|this|these|that|those|him|them)\b", re.IGNORECASE)
"""Pronouns: as a subject they leave open whom the question is about."""
MIN_SHARED = {
    "squad-v1.1-train-head": 0.0, "squad-v1.1-train-via-nqg": 0.34, "qamr": 0.67, "fairytaleqa": 0.5,
    "openstax-review+glossary": 0.67, "medquad": 0.67,
}  # fmt: skip
"""Share of a question's content words that its sentence must have, by source.

People who wrote SQuAD's questions were asked to use other words, and were checked; the
others were aligned to a passage by rule. Chosen by reading fifty questions of each source.
"""
KEEP_ONE_IN = {"medquad": 6}
"""Its few phrasings ("What are the genetic changes related to ...") leaked into the first model."""
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
"""Nouns before a name that make it a person's: "the planter William McKercher"."""
CUT_VERB = re.compile(
    r"\b(?:consist|depend|rely|refer|belong|result|occur|lead|contribute|focus|relate|deal|account|serve|look|"
    r"live|come|go|begin|happen|exist|appear|arise|derive|differ|range|vary|work|act|respond|react|adhere)\?$"
)
"""Verbs that a rule cut from their preposition: "What does the gland consist?"."""


def main() -> None:
    """Read both files, and write what is left of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--real", type=Path, required=True, help="SQuAD's JSON with a source for each article"
    )
    parser.add_argument("--rules", type=Path, required=True, help="JSONL (.xz) of questions made by rules")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--validation", type=Path, required=True, help="file for what is set aside")
    arguments = parser.parse_args()
    left_out: Counter[str] = Counter()
    kept: Counter[str] = Counter()
    with (
        open(arguments.out, "w", encoding="utf-8") as out,
        open(arguments.validation, "w", encoding="utf-8") as aside,
    ):
        real = read_real(arguments.real, left_out)
        rules = read_rules(arguments.rules, left_out)
        for passage in (*real, *rules):
            kept[passage["source"]] += len(passage["questions"])
            file = aside if is_set_aside(passage) else out
            file.write(json.dumps(passage, ensure_ascii=False) + "\n")
    print("kept", dict(kept))
    print("left out", dict(left_out))


def is_set_aside(passage: dict[str, Any]) -> bool:
    """Whether a passage is for validation: by its text, so that it is the same whatever else there is."""
    digest = hashlib.sha256(" ".join(passage["sentences"]).encode()).digest()
    return passage["source"] != "rules" and digest[0] < 5


def read_real(path: Path, left_out: Counter[str]) -> Iterator[dict[str, Any]]:
    """Passages of people's questions, each aligned with the sentence that shares most words with it."""
    articles = json.loads(path.read_text(encoding="utf-8"))["data"]
    for article in articles:
        source = article["source"]
        for number, paragraph in enumerate(article["paragraphs"]):
            if number % KEEP_ONE_IN.get(source, 1):
                left_out[f"{source}: sampled"] += len(paragraph["qas"])
                continue
            sentences = split_sentences(paragraph["context"])
            questions = []
            for question in dict.fromkeys(qa["question"].strip() for qa in paragraph["qas"]):
                index, shared = align(question, sentences)
                reason = why_not(question, shared, source)
                if reason:
                    left_out[f"{source}: {reason}"] += 1
                else:
                    questions.append([index, question])
            if questions:
                yield {"source": source, "sentences": sentences, "questions": sorted(questions)}


def align(question: str, sentences: Iterable[str]) -> tuple[int, float]:
    """The sentence that has most of a question's content words, and their share (0 to 1)."""
    words = set(content_words(question))
    shares = [len(words & set(content_words(sentence))) / max(1, len(words)) for sentence in sentences]
    best = max(range(len(shares)), key=lambda index: shares[index])
    return best, shares[best]


def why_not(question: str, shared: float, source: str) -> str | None:
    """Why a question of a person is left out, or None."""
    words = question.lower().rstrip("?").split()
    if not question.endswith("?") or not 4 <= len(words) <= 24 or not QUESTION_WORDS & set(words):
        return "form"
    if len(content_words(question)) < 2:
        return "too little in it"
    if not source.startswith("squad"):
        if VAGUE.search(question):
            return "vague"
        if any(DANGLING.fullmatch(word) for word in words[2:4]):
            return "pronoun"
    return "not in the passage" if shared < MIN_SHARED[source] else None


def read_rules(path: Path, left_out: Counter[str]) -> Iterator[dict[str, Any]]:
    """Passages of rule-made questions, mended or left out where a rule is known to go wrong."""
    rows = list(read_jsonl(path))
    nouns = {
        word for row in rows for sentence in row["sentences"] for word in sentence.split() if word.islower()
    }
    for row in rows:
        questions = []
        for index, question in row["questions"]:
            mended = mend(question, row["sentences"][index], nouns)
            if mended is None:
                left_out["rules"] += 1
            else:
                questions.append([index, mended])
        if questions:
            yield {"source": "rules", "sentences": row["sentences"], "questions": questions}


def mend(question: str, sentence: str, nouns: Collection[str]) -> str | None:
    """A rule-made question with the right word at its start, or None where it is no good.

    A question for the subject ("What" and the rest of the sentence) asks "Who" of people.
    A name alone (a word that ``nouns`` has not in small letters) could be a person or a
    thing, so its question is left out, as are those that say next to nothing.
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
