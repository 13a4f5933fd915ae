"""Finds English questions that cannot be understood without their text.

The rules look at the question as a reader who has not seen the text, and keep it in case of doubt. Each
looks at a kind of reference: to the text itself, to something that was said before, or by a pronoun.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import dropwhile, pairwise

from qgbatch.questions.antecedents import NO_NOUNS, lacks_antecedent
from qgbatch.questions.words import (
    AUXILIARIES,
    NARRATOR,
    PAST_AUXILIARIES,
    QUOTED,
    content_words,
    count_words,
)

_TITLE = "Title"
"""Stands for quoted words: they name something, whatever they say."""
_TOKEN = re.compile(r"\w+(?:['.-]\w+)*|[,;:]")

_AUXILIARY = rf"(?:{'|'.join(sorted(AUXILIARIES))})"
_ENDS_PHRASE = rf" ?(?:[?,;:)']|$)| (?:{_AUXILIARY}|above|and|below|or)\b"
_REPORTS = (
    r" (?:say|mean|mention|describe|discuss|explain|suggest|state|claim|argue|compare|list|call|refer|give"
    r"|use|conclude|think|believe|focus|tell|define|end|begin|present|address|imply|show|report)s?\b"
)
"""What a text does. It tells "the paper shows" from "the paper mill"."""
_MENTIONS_TEXT = re.compile(
    r"\bthe (?:(?!of\b)[a-z-]+ )?(?:passage|text|article|paper|paragraph|document|excerpt|authors?|writer)"
    rf"(?={_ENDS_PHRASE}|{_REPORTS})"
    rf"|\b{_AUXILIARY} the (?:passage|article|paragraph|excerpt|authors?|writer)\b(?! (?:of|that|who)\b)"
    r"|\b(?:Figure|Table|[Pp]aragraph|Example|Exercise|Equation) \d"
    r"|\b(?:mentioned|described|listed|stated|shown|discussed) (?:above|below|here)\b"
    r"|\b(?:above|below) ?\?$|\bthe (?:above|aforementioned)\b"
)
_ACCORDING_TO = re.compile(r"\baccording to the (?![^,?]{0,60}(?:[A-Z\d]|\bof\b))")
"""A source without a name or a number, such as "the report"."""
_MENTIONED = re.compile(r"\b(?:mentioned|described|listed|stated|shown|discussed) ?\?$")
_ASKS_FOR_PLACE = re.compile(r"\b(?:in|on|by) (?:which|what|whose)\b|^where\b")

_WORKS = (
    "story|poem|novel|narrator|speaker|study|survey|experiment|example|researchers|picture|photograph|diagram"
    "|graph|chart|section|chapter|lecture"
)
_ACTORS = (
    "man|woman|boy|girl|couple|company|team|band|group|city|town|village|book|film|song|album|king|queen"
    "|president|meeting|match|game|building|house|siege|battle|crowd|land"
)
_NOT_IDENTIFIED = r"(?! (?:of|that|who|which|\w+ing)\b)"
_UNIDENTIFIED = re.compile(
    rf"\b{_AUXILIARY} the (?:{_WORKS})\b{_NOT_IDENTIFIED}|\bthe (?:{_WORKS}|two)(?={_ENDS_PHRASE})"
)
"""Works and their parts, without a word that says which one."""
_UNIDENTIFIED_IN_PAST = re.compile(
    rf"\b{_AUXILIARY} the (?:{_ACTORS})\b{_NOT_IDENTIFIED}|\bthe (?:{_ACTORS})(?={_ENDS_PHRASE})"
)
"""Nouns for one of many. In the present they may mean all of a kind: "What does the king do in chess?"."""
_PRESENT = re.compile(r"\b(?:do|does|can|may|must|should|will)\b")
_NAME_OR_NUMBER = re.compile(r"[^\w'][A-Z\d]")

_IDIOM = re.compile(r"\b(?:these days|to this day)\b")
_POINTS_BACK = re.compile(
    r"\b(?:this|these|the following|which ones?)\b(?! of\b)"
    r"|\bthe latter\b(?! (?:half|part|years|days|stages?|phase|period|centuries)\b)"
    rf"|\bthe former(?= ?[?,]| (?:{_AUXILIARY}|than|or|and|\w+er|more)\b)"
    r"|\b(?:in|on|at|of|from|to|by|for|with|during|after|before|about|than) that (?!of\b)"
    r"|^(?:what|why|how|when|where|who) (?:\w+ )?(?:is|are|was|were|does|did|would) (?:that|such)\b"
    r"|\bthose\b(?! (?:who|whom|whose|that|which|with|without|of|in|on|at|from|under|over|born|found|made"
    r"|built|held|\w+ed|\w+ing)\b)(?! \w+ (?:for|to|by|of)\b)"
    r"|\b(?:next|then|afterwards|here|(?<!get )(?<!is )(?<!are )(?<!was )(?<!were )there)(?: in \d+)? ?\?$"
    r"|^(?:what|which) (?:\w+ )?(?:is|are|was|were) given ?\?$"
)
"""Words for something that was said before."""
_FIRST_CLAUSE = re.compile(
    r"(?:when|if|after|before|as|while|because|since|once|prior|of)\b[^?,]*,"
    r"|[^?,]*, (?:and|but|or) (?:what|how|why|when|where)\b"
)
"""A clause at the beginning, to which a word in the next one may refer."""
_EMPTY_WORDS = {
    "result", "reason", "purpose", "idea", "example", "examples", "types", "kinds", "names", "step",
    "steps", "main", "first", "second", "third", "last", "next", "one", "ones", "two", "three", "four",
    "five", "each", "some", "so", "then", "else", "other", "happened", "happen", "happens", "difference",
    "between", "topic", "answer", "outcome", "effect", "effects", "cause", "causes", "problem",
}  # fmt: skip
"""Words that do not say what a question is about, besides function words."""
_MIN_WORDS = 3


def is_standalone(question: str) -> bool:
    """Return whether a question can be understood without its text.

    It cannot if it mentions the text ("the passage", "this paper"), if it says too little, or if a word
    refers to someone or something that the question does not name.

    >>> is_standalone("When was Marie Curie born?"), is_standalone("When was she born?")
    (True, False)
    """
    text = _IDIOM.sub("", QUOTED.sub(_TITLE, question.replace("\u2019", "'"))).strip()
    if not (first := _TOKEN.match(text)):
        return False
    if first.group().casefold().partition("'")[0] in NO_NOUNS:  # the capital letter is not that of a name
        text = text[0].lower() + text[1:]
    if count_words(question) < _MIN_WORDS or _says_too_little(text):
        return False
    if _mentions_text(text) or _leaves_open_which(text) or _points_back(text):
        return False
    tokens = _TOKEN.findall(text)
    return not _speaks_of_narrator(tokens) and not lacks_antecedent(tokens)


def _says_too_little(text: str) -> bool:
    """Return whether a question does not say what it is about, such as "What was the result?"."""
    return not set(content_words(text)) - _EMPTY_WORDS


def _mentions_text(text: str) -> bool:
    is_mentioned = _MENTIONED.search(text) and not _ASKS_FOR_PLACE.search(text)
    return bool(is_mentioned or _MENTIONS_TEXT.search(text) or _ACCORDING_TO.search(text))


def _leaves_open_which(text: str) -> bool:
    """Return whether a question speaks of a work, a person or a thing without a name or a number."""
    if _NAME_OR_NUMBER.search(text):
        return False
    if _UNIDENTIFIED.search(text):
        return True
    return bool(_UNIDENTIFIED_IN_PAST.search(text)) and not _PRESENT.search(text)


def _points_back(text: str) -> bool:
    """Return whether a word such as "this" refers to something before the question."""
    clause = _FIRST_CLAUSE.match(text)
    return bool(_POINTS_BACK.search(clause.group() if clause else text))


def _speaks_of_narrator(tokens: Sequence[str]) -> bool:
    """Return whether "we", "you" or "I" did something, and so are certain people.

    In the present or after "if" they may be anybody: "What can you do against rust?".
    """
    told = () if "if" in tokens else dropwhile(lambda token: token not in PAST_AUXILIARIES, tokens)
    return any(token in NARRATOR or (token == "I" and before.islower()) for before, token in pairwise(told))
