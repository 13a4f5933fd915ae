"""Finds pronouns of the third person that refer to nothing in their question.

Where an antecedent can be follows from grammar. A subject or an object never refers to another part of its
own clause ("Who killed him?", "Which prize did she win?"), but a possessive may ("Who lost his life?").
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from qgbatch.questions.words import AUXILIARIES, FUNCTION_WORDS, NARRATOR, QUESTION_WORDS, is_auxiliary

_PERSONAL = {"he", "she", "him", "her", "his", "hers"}
_SUBJECTS = {"he", "she", "they"}
_POSSESSIVES = {"his", "its", "their", "hers", "theirs"}
_PRONOUNS = {*_PERSONAL, *_SUBJECTS, *_POSSESSIVES, "it", "them"}
_ARTICLES = {"a", "an", "the"}
_DETERMINERS = {*_ARTICLES, "what", "which", "every", "each", "some", "any", "no", "many", "most", "all"}
_PREPOSITIONS = {
    "in", "on", "at", "of", "to", "by", "for", "from", "with", "about", "into", "besides", "despite",
    "during", "under", "over", "unlike", "like", "through", "against", "between", "according", "without",
}  # fmt: skip
_REPORTING = {
    "say", "says", "said", "claim", "claims", "claimed", "believe", "believes", "believed", "hope", "hoped",
    "think", "thinks", "thought", "know", "knew", "suggest", "suggests", "suggested", "argue", "argued",
}  # fmt: skip
"""Verbs after which a clause may begin without "that"."""
_NEARBY = {
    "with",
    "in",
    "on",
    "around",
    "behind",
    "beside",
    "near",
    "inside",
    "above",
    "below",
    "under",
    "about",
}
"""An object after these may refer to the subject: "What did Napoleon take with him?"."""
_CLAUSE_STARTS = {
    *QUESTION_WORDS, ",", ";", ":", "and", "but", "or", "that", "if", "because", "while", "after", "before",
    "as", "until", "unless", "since", "although", "though", "once", "than", "whether", "without", "so",
}  # fmt: skip
NO_NOUNS = {*FUNCTION_WORDS, *_CLAUSE_STARTS, *_PREPOSITIONS, *_DETERMINERS, *_PRONOUNS, *NARRATOR}
"""Words that name nothing."""
_HAVE = {"have", "has", "had"}
_MAX_ADJECTIVES = 3

_IMPERSONAL = re.compile(
    r"\bit(?:'s| is| was| be| became)?(?: \w+)? (?:take|cost|mean|like|matter|feel|become|help"
    r"|(?:im)?possible|important|necessary|difficult|hard(?:er)?|eas(?:ier|y)|common|better|best|worth|safe"
    r"|(?:il)?legal|(?:un)?likely|dangerous|useful|forbidden|allowed|good|bad|cheaper|normal|called)\b"
    r"[^,?]{0,100} (?:to|for|that|when|if|\w+ing)\b"
    r"|\bit(?:'s| is| was)? (?:said|believed|known|thought|estimated|announced|reported|assumed|expected)\b"
    r"|\bit(?: [\w'-]+){0,4} (?:that|who|whom|whether)\b"
    r"|\bit (?:be |is |was )?(?:rain|snow|thunder|hail)"
    r"|\b(?:time|day|date|far|late) (?:is|was) it\b"
    r"|\bhow (?:cold|hot|warm|dark|windy|wet) (?:is|was|does|did|can) it\b",
    re.IGNORECASE,
)
"""Phrases in which "it" refers to nothing, such as "it takes"."""


def lacks_antecedent(tokens: Sequence[str]) -> bool:
    """Return whether a pronoun of the third person has no antecedent in its question.

    Args:
        tokens: The words, commas, colons and semicolons of the question. A word with a capital letter is
            taken for a name.

    >>> lacks_antecedent(["who", "killed", "him"]), lacks_antecedent(["who", "lost", "his", "life"])
    (True, False)
    """
    words = [token.casefold().partition("'")[0] for token in tokens]
    is_impersonal = bool(_IMPERSONAL.search(" ".join(tokens)))
    antecedents = _Antecedents(tokens, words)
    clause_start = 0
    for index, (token, word) in enumerate(zip(tokens, words, strict=True)):
        if _begins_clause(words, index):
            clause_start = index
        is_reference = word in _PRONOUNS and token.islower() and not (word == "it" and is_impersonal)
        if is_reference and not antecedents.include_one_of(index, clause_start):
            return True
        if word in _SUBJECTS and not is_auxiliary(_at(tokens, index - 1)):
            clause_start = index
    return False


def _begins_clause(words: Sequence[str], index: int) -> bool:
    """Return whether the pronouns after a word are in a new clause: "to make it", "without burning it"."""
    word, after = words[index], _at(words, index + 1)
    if word == "to":
        return after not in _PRONOUNS
    if word in _REPORTING:
        return after not in _PREPOSITIONS
    return word in _CLAUSE_STARTS or (word.endswith("ing") and index > 0)


class _Antecedents:
    """The first word of each kind to which a pronoun of a question can refer."""

    def __init__(self, tokens: Sequence[str], words: Sequence[str]) -> None:
        self._tokens, self._words = tokens, words
        self._name = self._first(self._is_name)
        self._owner = self._first(lambda index: self._is_name(index) and "'" in tokens[index])
        self._noun = self._first(self._is_noun)
        self._other = self._first(
            lambda index: self._is_content(index) and _at(words, index - 1) not in {"who", "what", "which"}
        )
        self._end_of_opening = self._find_end_of_opening()

    def include_one_of(self, index: int, clause_start: int) -> bool:
        """Return whether the pronoun at ``index`` can refer to something."""
        if index < self._end_of_opening or _at(self._words, index + 1) == "own":
            return True
        word, before = self._words[index], _at(self._words, index - 1)
        end = self._end(index, clause_start)
        if min(self._name, self._noun) < end:
            return True
        if word not in _PERSONAL and (word in _POSSESSIVES or before not in _NEARBY):
            return self._other < end or (word in _POSSESSIVES and self._is_done_by_who(end))
        return self._owner < index or self._is_done_by_who(end)

    def _end(self, index: int, clause_start: int) -> int:
        """Return where the words end to which the pronoun at ``index`` can refer."""
        word, before = self._words[index], _at(self._words, index - 1)
        is_object_of_have = before in _HAVE and word not in _SUBJECTS
        if is_auxiliary(_at(self._tokens, index - 1)) and not is_object_of_have:
            return clause_start  # the pronoun is the subject, or a part of it
        if word in _POSSESSIVES or self._is_possessive(index):
            return self._start_of_phrase(index)
        begins_clause = before in _CLAUSE_STARTS or is_auxiliary(_at(self._tokens, index + 1))
        return index if word in _SUBJECTS or begins_clause or before in _NEARBY else clause_start

    def _find_end_of_opening(self) -> int:
        """Return where a phrase before the question ends, if the question has a name that explains it.

        In "After he left Poland, where did Chopin live?" the name follows its pronoun.
        """
        words = self._words
        is_clause = _at(words, 0) == "when" and not is_auxiliary(_at(words, 1))
        if "," not in words or (words[0] in {*QUESTION_WORDS, *AUXILIARIES} and not is_clause):
            return 0
        comma = words.index(",")
        return comma if any(map(self._is_name, range(comma, len(words)))) else 0

    def _start_of_phrase(self, index: int) -> int:
        """Return where the phrase of a possessive begins: no title is "he" in "the title of his novel"."""
        while _at(self._words, index - 1) == "of":
            start = index - 2
            while start > index - 2 - _MAX_ADJECTIVES and self._is_content(start):
                start -= 1
            if start < 0 or self._words[start] not in {*_DETERMINERS, "one", "how"}:
                break
            index = start
        return index

    def _is_done_by_who(self, end: int) -> bool:
        """Return whether a pronoun may refer to "who" at the beginning."""
        return end > 1 and self._words[0] in {"who", "whose"}

    def _is_possessive(self, index: int) -> bool:
        """Return whether a word is "her" before a noun, or "it's" for "its"."""
        if self._words[index] == "it":
            return self._tokens[index] == "it's" and _at(self._words, index - 1) not in _CLAUSE_STARTS
        after = _at(self._words, index + 1)
        return self._words[index] == "her" and bool(after) and after not in NO_NOUNS

    def _first(self, is_one: Callable[[int], bool]) -> int:
        return next(filter(is_one, range(len(self._tokens))), len(self._tokens))

    def _is_name(self, index: int) -> bool:
        return self._tokens[index][0].isupper() and self._tokens[index] != "I"

    def _is_content(self, index: int) -> bool:
        return self._words[index] not in NO_NOUNS and self._tokens[index][0].islower()

    def _is_noun(self, index: int) -> bool:
        """Return whether a word after a determiner is a noun to which a later pronoun can refer."""
        before, after = _at(self._words, index - 1), _at(self._words, index + 1)
        if not self._is_content(index) or before not in _DETERMINERS:
            return False
        if before not in {"what", "which"}:
            return True
        if after in {"do", "does", "did"} or _at(self._words, index - 2) in _PREPOSITIONS:
            return False  # an object or adverbial: "What city did he leave?"
        is_verb = after in NO_NOUNS and not is_auxiliary(after)  # "What caused it?"
        is_inverted = after not in _HAVE and _at(self._words, index + 2) in {*_ARTICLES, *_PRONOUNS}
        return not is_verb and not (is_auxiliary(after) and is_inverted)


def _at(words: Sequence[str], index: int) -> str:
    """Return a word, or an empty one before the first and after the last."""
    return words[index] if 0 <= index < len(words) else ""
