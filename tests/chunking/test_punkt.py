from __future__ import annotations

import subprocess
import sys

import pytest

SPLIT = """
from qgbatch.chunking.sentences import SentenceSplitter
text = "Dr. Okafor came. She left."
print([text[s.start_char : s.end_char] for s in SentenceSplitter("english")(text)])
"""
SENTENCES = "['Dr. Okafor came.', 'She left.']\n"


def run(program: str) -> str:
    """What a program prints in a process of its own."""
    return subprocess.check_output([sys.executable, "-c", program], text=True)


def test_no_module_of_nltk_is_left() -> None:
    program = f"{SPLIT}import sys\nprint([name for name in sys.modules if name.startswith('nltk')])"
    assert run(program) == f"{SENTENCES}[]\n"


def test_the_rest_of_nltk_is_not_imported() -> None:
    imported = run(f"{SPLIT}import sys\nprint(*sys.modules)").split()
    assert not {"numpy", "scipy"} & set(imported)


@pytest.mark.parametrize("program", [f"{SPLIT}import nltk", f"import nltk{SPLIT}"], ids=["after", "before"])
def test_nltk_is_whole_if_it_is_imported(program: str) -> None:
    check = (
        "print(nltk.tokenize.punkt.PunktSentenceTokenizer().tokenize('It is. We go.'), nltk.FreqDist('a'))"
    )
    expected = f"{SENTENCES}['It is.', 'We go.'] <FreqDist with 1 samples and 1 outcomes>\n"
    assert run(f"{program}\n{check}") == expected
