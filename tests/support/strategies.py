"""Texts that are hard on a program that cuts texts."""

from __future__ import annotations

from hypothesis import strategies as st

words = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12)
odd_words = st.sampled_from(
    [
        "</s>",
        "<sep>",
        "<pad>",
        "\ufdfa" * 9,
        "e\u0301" * 7,
        "\u200b",
        "x" * 300,
        "\U0001f469\u200d\U0001f4bb",
    ]
)
glue = st.sampled_from(
    [" ", ". ", "! ", "\n", "\n\n", "\r\n", "\n- ", "\n# ", ", ", "; ", "\t", "\f", " " * 50, ""]
)
texts = st.lists(st.tuples(st.one_of(words, odd_words), glue), min_size=1, max_size=60).map(
    lambda pairs: "".join(word + space for word, space in pairs)
)
documents = texts.filter(lambda text: not text.isspace())
