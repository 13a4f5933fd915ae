"""Judges the form of English text: whether a question is well formed, and whether a text is prose.

A question is kept in case of doubt.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from qgbatch.questions.words import (
    AUXILIARIES,
    FUNCTION_WORDS,
    QUESTION_WORDS,
    QUOTED,
    WORD,
    count_words,
    is_auxiliary,
)

_PROSE_WORDS = {
    "the", "of", "and", "to", "in", "a", "is", "that", "for", "it", "as", "was", "with", "be",
    "by", "on", "not", "he", "his", "but", "at", "are", "this", "have", "from", "or", "had",
    "an", "they", "which", "one", "were", "all", "her", "she", "there", "would", "their", "we",
    "him", "been", "has", "when", "who", "will", "no", "more", "if", "out", "so", "its",
    "into", "than", "them", "can", "only", "other", "some", "these", "do", "any",
}  # fmt: skip
"""The most frequent words of English."""
_MIN_PROSE_WORDS = 10
_MIN_PROSE_SHARE = 0.15

_MIN_WORDS = 3
_TOKEN = re.compile(rf"{WORD.pattern}|[^\w\s]")
_BRACKETS = (("(", ")"), ("[", "]"), ("\u201c", "\u201d"))
_INCHES = re.compile(r"\d\"")
_MAX_LOOP = 8
"""Longest phrase, in words, whose repetition at once is looked for."""
_REPEATED_WORDS = 4
"""Number of words in a row whose repetition anywhere makes a question malformed, except in comparisons.

People repeat three words in long questions ("the demand for"), but hardly ever four.
"""
_COMPARING = {"than", "to", "from", "and", "or", "as", "with"}
_MAY_REPEAT = {"had", "that"}
"""Words that people write twice in a row."""
_CUT_OFF = re.compile(r"\b(?:the|an?|and|n?or|but|because|if|every|my|your|our|their)\W*\?$")
_BROKEN = re.compile(r"\b(?:the|an?) (?:of|was|were|did|does|the|an)\b|\ufffd")
_ARTICLE_AFTER_QUESTION_WORD = re.compile(
    rf"^(?:\w+ )?(?:{'|'.join(sorted(QUESTION_WORDS))}) (?:the|an?)\b", re.IGNORECASE
)


def is_english_prose(text: str) -> bool:
    """Return whether a text has the share of function words that English sentences have.

    Code, tables and other languages have few of them. Text of fewer than ten words is kept.
    """
    words = [word.casefold() for word in WORD.findall(text)]
    if len(words) < _MIN_PROSE_WORDS:
        return True
    return sum(word in _PROSE_WORDS for word in words) >= _MIN_PROSE_SHARE * len(words)


def is_well_formed_english(question: str) -> bool:
    """Return whether a text has the form of one English question.

    It must have at least three words, a question word anywhere or an auxiliary at the beginning of a
    clause, and exactly one question mark, at its end. It must not repeat words, end in an article, or
    lack a verb or the end of a bracket. Quoted words may have any form.

    >>> is_well_formed_english("In what year was the tower built?")
    True
    >>> is_well_formed_english("The tower of the tower of the tower of?")
    False
    """
    text = QUOTED.sub("Title", question)
    if question.endswith(('?"', "?\u201d")):  # What does it mean to "float?"
        text += "?"
    if not text.endswith("?") or text.count("?") > 1 or not _is_closed(question):
        return False
    tokens = _TOKEN.findall(text[:-1])
    words = [token.casefold() for token in tokens]
    is_whole = count_words(question) >= _MIN_WORDS and not (
        _CUT_OFF.search(text) or _BROKEN.search(text) or _lacks_verb(text, words)
    )
    return is_whole and _asks(words) and not _repeats(tokens, words)


def _is_closed(question: str) -> bool:
    """Return whether all brackets and quotes of a question are closed."""
    for opening, closing in _BRACKETS:
        depth = 0
        for character in question:
            depth += (character == opening) - (character == closing)
            if depth < 0:
                return False
        if depth:
            return False
    return question.count('"') % 2 == 0 or bool(_INCHES.search(question))


def _asks(words: Sequence[str]) -> bool:
    """Return whether there is a question word, or an auxiliary that begins a clause."""
    begins = (index for index in range(len(words)) if index == 0 or words[index - 1] in {",", "and", "but"})
    starts = (word.replace("\u2019", "'").partition("'")[0] for word in words)
    return any(start in QUESTION_WORDS for start in starts) or any(
        is_auxiliary(words[index]) for index in begins
    )


def _lacks_verb(text: str, words: Sequence[str]) -> bool:
    """Return whether an article follows the question word, and no auxiliary or second clause."""
    return bool(_ARTICLE_AFTER_QUESTION_WORD.match(text)) and {*AUXILIARIES, ","}.isdisjoint(words)


def _repeats(tokens: Sequence[str], words: Sequence[str]) -> bool:
    """Return whether a question repeats a phrase as models do, and not as names and comparisons do."""
    return _repeats_elsewhere(words) or any(
        words[start : start + length] == words[start + length : start + 2 * length]
        and not _may_repeat(tokens, words, start, length)
        for length in range(1, min(_MAX_LOOP, len(words) // 2) + 1)
        for start in range(len(words) - 2 * length + 1)
    )


def _may_repeat(tokens: Sequence[str], words: Sequence[str], start: int, length: int) -> bool:
    """Return whether a phrase that is repeated at once is a name, punctuation, or "had had"."""
    phrase, after = words[start : start + length], start + 2 * length
    if not any(word[0].isalnum() for word in phrase) or (length == 1 and phrase[0] in _MAY_REPEAT):
        return True
    begins_question = start == 0 and phrase[0] in FUNCTION_WORDS
    is_thrice = phrase == words[after : after + length]
    return (
        all(token[0].isupper() for token in tokens[start:after]) and not begins_question and not is_thrice
    )


def _repeats_elsewhere(words: Sequence[str]) -> bool:
    """Return whether a longer phrase occurs twice, but not in a comparison of two things."""
    first: dict[tuple[str, ...], int] = {}
    is_compared = False
    for start in range(len(words) - _REPEATED_WORDS + 1):
        phrase = tuple(words[start : start + _REPEATED_WORDS])
        before = first.setdefault(phrase, start)
        if before == start or not any(word[0].isalnum() for word in phrase):
            is_compared = False
            continue
        between = words[before + _REPEATED_WORDS : start]
        is_compared = is_compared or (
            phrase[0] in {"the", "a", "an"} and not _COMPARING.isdisjoint(between)
        )
        if not is_compared:
            return True
    return False
