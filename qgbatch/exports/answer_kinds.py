"""The kinds of answers. Answers of the same kind are plausible beside each other.

Only texts are compared, so an answer whose kind is not certain has none.
"""

from __future__ import annotations

import re
import unicodedata

from qgbatch.questions.words import content_words

_MAX_LENGTH = 80
_MAX_NAME_WORDS = 5
_PREPOSITION = r"(?:(?:in|on|at|by|for|from|of|to|with|under|against|since|until|before|after|during) )?"
_WHEN = re.compile(rf"{_PREPOSITION}(?:when|(?:what|which) year)\b", re.IGNORECASE)
_HOW = re.compile(r"how \w+", re.IGNORECASE)
_WHO = re.compile(rf"{_PREPOSITION}whom?\b", re.IGNORECASE)
_WHICH = re.compile(rf"{_PREPOSITION}which ([a-z]+)\b", re.IGNORECASE)
_DESCRIBING = re.compile(
    r"of|one|two|three|four|other|same|first|last|.*(?:al|an|ese|est|ful|ic|ish|ive|ous)", re.IGNORECASE
)
"""Words after "which" that name no kind, as in "which old" or "which British"."""
_NUMBER = re.compile(r"(\D*)(\d+(?:,\d{3})*)(?:\.\d+)?(\D*)")
_ACRONYM = re.compile(r"(?![IVXL]+\b)[A-Z]{2,}")
_PARTICLES = {
    "al", "da", "de", "del", "den", "der", "di", "du", "la", "le", "of", "the", "van", "von", "y",
}  # fmt: skip
_NO_PERSON = {
    "academy", "agency", "airlines", "army", "association", "bank", "board", "brothers", "bureau",
    "church", "city", "club", "college", "commission", "committee", "company", "congress", "corporation",
    "corps", "council", "country", "county", "court", "department", "electric", "empire", "federation",
    "fleet", "force", "forces", "foundation", "government", "group", "house", "industries", "institute",
    "kingdom", "labs", "league", "library", "ministry", "museum", "navy", "network", "office",
    "organisation", "organization", "parliament", "party", "police", "press", "records", "republic",
    "senate", "society", "states", "studios", "systems", "team", "tribe", "tribes", "union", "university",
}  # fmt: skip
"""Words in the names of organisations and peoples."""
_GROUP = re.compile(r".*(?:ans|ants|ards|ents|ers|ics|ings|ists|ites|men|ors)")
"""The last word of the names of many groups: Vikings, Mughal Emperors."""
_THING = re.compile(rf"\b(?:[Aa]t|[Ii]n|[Nn]ear|[Tt]he)((?: [^\W\d_a-z]\S*){{1,{_MAX_NAME_WORDS}}})")
_MARKS = ".,;:!?\"'()"
_WORD = re.compile(r"\d+(?:\.\d+)?|[^\W\d_]+")
PERSON = "person"
"""The first word of the kinds of persons."""
_MIN_CONTENT_WORDS = 3
"""A question with fewer can be answered by many names: Who led the army?"""


def kind_of(question: str, answer: str) -> str | None:
    """Return the kind of an answer: equal for answers that are plausible beside each other.

    Args:
        question: The question, on one line.
        answer: The answer, on one line.

    Returns:
        A number with its number of digits, the words around it, and whether the question asks for a time; a
        person with the number of words; or what "which" asks for. ``None`` for anything else.
    """
    if len(answer) > _MAX_LENGTH:
        return None
    if number := _NUMBER.fullmatch(answer):
        before, digits, after = number.groups()
        asked = "when" if _WHEN.match(question) else "how" if _HOW.match(question) else "other"
        return f"{asked} {len(digits.replace(',', ''))} {before.casefold()}#{after.casefold()}"
    words = answer.split()
    if not _is_name(words) or len(content_words(question)) < _MIN_CONTENT_WORDS:
        return None
    if _WHO.match(question):
        return f"{PERSON} {len(words)}" if _is_person(words) else None
    which = _WHICH.match(question)
    return f"which {which[1].casefold()}" if which and not _DESCRIBING.fullmatch(which[1]) else None


def distinctive_words(question: str, answer: str) -> set[str]:
    """Return the words of an answer that tell it from others of its kind.

    These are the numbers in it, or else the words of a name without initials and particles, and without
    the noun that "which" asks for: "which river" is answered by names with "River".
    """
    words = words_of(answer)
    numbers = {word for word in words if word[0].isdigit()}
    if numbers:
        return numbers
    which = _WHICH.match(question)
    return (
        {word for word in words if len(word) > 1} - _PARTICLES - ({which[1].casefold()} if which else set())
    )


def names_of_things(passage: str) -> set[str]:
    """Return the names in a passage that are not those of persons: after "at", "in", "near" and "the".

    >>> sorted(names_of_things("In Bern, the Swiss Bees met Ann."))
    ['Bern', 'Swiss', 'Swiss Bees']
    """
    return {
        " ".join(names[:n]).strip(_MARKS)
        for found in _THING.finditer(passage)
        for names in [found[1].split()]
        for n in range(1, len(names) + 1)
    }


def words_of(text: str) -> set[str]:
    """Return the words and numbers of a text, without case and accents; ``1,000`` is ``1000``."""
    plain = unicodedata.normalize("NFKD", text.replace(",", "")).casefold()
    return set(_WORD.findall("".join(c for c in plain if not unicodedata.combining(c))))


def _is_name(words: list[str]) -> bool:
    return (
        0 < len(words) <= _MAX_NAME_WORDS
        and all(word[0].isupper() or word in _PARTICLES for word in words)
        and words[0][0].isupper()
        and words[-1][0].isupper()
        and not any(character.isdigit() for word in words for character in word)
    )


def _is_person(words: list[str]) -> bool:
    return not (
        words[0] == "The"
        or _GROUP.fullmatch(words[-1])
        or any(word.casefold() in _NO_PERSON or _ACRONYM.fullmatch(word) for word in words)
    )
