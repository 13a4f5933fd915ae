"""Which questions can be understood without their text."""

from __future__ import annotations

import pytest

from qgbatch.questions.standalone import is_standalone


@pytest.mark.parametrize(
    "question",
    [
        "When was Marie Curie born?",
        "What did Marie Curie call her discovery?",
        "When James Cook died, where was he?",
        "How do bees build their hives?",
        "How long does it take to boil an egg?",
        "Why is it important to sleep?",
        "What is the author of a blog called?",
        "What happens to those who lie?",
        "What can you do against rust?",
        "Who wrote the text of the treaty?",
        "Who sailed the Northwest Passage?",
        "Which pulp does the paper mill use?",
        "What does the text editor vi do?",
        "According to the 2010 census, how many people lived in Reno?",
        "According to the World Health Organization, what is a pandemic?",
        "In which book of the Bible is Leviathan mentioned?",
        "What is the former capital of Brazil?",
        "How many people speak Cornish these days?",
        'Who sang "These Boots Are Made for Walking"?',
        "Who directed They Live?",
        "What does a temple have that a church lacks?",
        "How do sharks differ from those found in lakes?",
        "When ice melts, what is this called?",
        "Who lost his life at Trafalgar?",
        "After he left Poland, where did Chopin live?",
        "What did Darwin's father want him to become?",
        "How do vaccines protect the people who get them?",
        "What did Napoleon take with him?",
        "Was it Edison who invented the light bulb?",
        "Which university has its origins in a school?",
        "Who directed the film Vertigo?",
        "What does the king do in chess?",
        "What's osmosis?",
    ],
)
def test_standalone_questions_pass(question: str) -> None:
    assert is_standalone(question)


@pytest.mark.parametrize(
    "question",
    [
        "When was she born?",
        "What city did he move to?",
        "What was his name?",
        "When did this happen?",
        "Are these birds extinct?",
        "According to the passage, who won?",
        "What does the author mean?",
        "What is the main idea of this paper?",
        "What was mentioned?",
        "Which of the following is a metal?",
        "Who killed him?",
        "Why did he leave, according to Tacitus?",
        "Who taught her to paint?",
        "Why did the guards arrest him?",
        "What caused it?",
        "Why did the Romans build it?",
        "How many of them survived?",
        "Who's she married to?",
        "What was the title of his first novel?",
        "Which prize did she win?",
        "After it was restored, when did the theatre reopen?",
        "According to the report, what happened in May?",
        "What is compared to a river in the second paragraph?",
        "What does Figure 3 show?",
        "How does the story end?",
        "What did the man say?",
        "What happened at that time?",
        "Why is the latter cheaper?",
        "What did we see at the harbour?",
        "What did the army do afterwards?",
        "What was the result?",
        "Who won?",
        "???",
        "",
    ],
)
def test_questions_that_need_their_text_are_found(question: str) -> None:
    assert not is_standalone(question)
