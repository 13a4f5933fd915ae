from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qgbatch.questions.retrieval.keywords import keyword_query

QUERIES = {
    # Question words, auxiliaries and function words go.
    "Who invented the steam turbine?": "invented steam turbine",
    "Which rivers does the old bridge cross?": "rivers old bridge cross",
    "Whose portrait hangs in the town hall?": "portrait hangs town hall",
    "Why are the lakes drained before winter?": "lakes drained winter",
    "What could have been done about the flood?": "done flood",
    "The harbour was rebuilt by whom?": "harbour rebuilt",
    "What should you wear in our boats?": "wear boats",
    "If the valve is closed, where does the water go?": "valve closed water go",
    "What's the height of the lighthouse?": "height lighthouse",
    "Why isn\u2019t it\u2019s roof made of slate?": "roof made slate",
    "Which islands did not join the union?": "islands not join union",
    # The phrase that asks goes, and its words stay elsewhere.
    "In what year did the mill burn down?": "mill burn down",
    "Who signed a five year contract?": "signed five year contract",
    "What type of stone is the tower made of?": "stone tower made",
    "Which blood type is the rarest?": "blood type rarest",
    "What is the name of the local newspaper?": "local newspaper",
    "What does the name Skye mean?": "name skye mean",
    "How long did the siege last?": "siege last",
    "How wide is a long jump pit?": "wide long jump pit",
    "How many sheep are on the island?": "sheep island",
    "What is a coastal inlet called?": "coastal inlet",
    # Names keep their function words and lose their capitals.
    "When did Doctor Who return to the BBC?": "doctor who return bbc",
    "What happened in May 1968 in the US?": "happened may 1968 us",
    "May a tenant keep The Times?": "tenant keep times",
    # The words of a title stay.
    'Who wrote "The Wind in the Willows"?': "wrote the wind in the willows",
    "Who sang \u201cLet It Be\u201d first?": "sang let it be first",
    # Punctuation goes at the edges only.
    "Is C++ faster than C# or .NET?": "c++ faster c# .net",
    "How did the U.S. treat well-known spies (1950-1953)?": "u.s. treat well-known spies 1950-1953",
    'What changed "in version 3.5?"...': "changed in version 3.5",
    "What changed in (version 3.5).": "changed version 3.5",
    "What did Mr. O'Neill's firm, at 4:30, sell for $1,500?": "mr o'neill's firm 4:30 sell $1,500",
    "What links iron \u2014 or tin\u2014with 'bronze' & brass?": "links iron tin bronze brass",
    "Wo steht das gro\u00dfe Haus?": "wo steht das gro\u00dfe haus",
}


@pytest.mark.parametrize(("question", "query"), QUERIES.items())
def test_what_people_type(question: str, query: str) -> None:
    assert keyword_query(question) == query


@pytest.mark.parametrize("question", ["", "?", "What is it?", "What is photosynthesis?", '"', "- & -"])
def test_fewer_than_two_words_are_no_query(question: str) -> None:
    assert keyword_query(question) is None


@given(st.text() | st.lists(st.sampled_from([*QUERIES, '"', "\u201c", "what", "name of"])).map(" ".join))
def test_a_query_is_lower_case_and_has_single_spaces(question: str) -> None:
    query = keyword_query(question)
    if query is not None:
        assert query == query.lower() == " ".join(query.split())
        assert len(query.split()) >= 2
        assert not query.endswith(("?", ",", '"'))
