"""Prose that CommonMark takes for code or HTML, and markup that it takes for prose."""

from __future__ import annotations

import pytest

from qgbatch.readers.markdown import plain_text
from qgbatch.readers.markdown_parser import reads_as_prose
from qgbatch.readers.omissions import Omissions
from tests.support.steps import assert_calls_are_in_proportion


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ('!!! tip "Tea"\n    Hot.\n\n    - mild\n\nEnd.', "Tea\n\nHot.\n\n- mild\n\nEnd."),
        ("Tea:\n??? note\n\n    Hot.\n\n    !!! info inline end\n\n        Mild.", "Tea:\n\nHot.\n\nMild."),
        (
            '=== "A"\n\n    Tea.\n\n    ```\n    x\n    ```\n\n=== "B"\n\n    Milk.',
            "A\n\nTea.\n\nB\n\nMilk.",
        ),
        (
            "Tea[^1] is hot.\n\n[^1]: Or mild.\n\n    Or cold.\n[^b]: No.",
            "Tea is hot.\n\nOr mild.\n\nOr cold.\n\nNo.",
        ),
        ("Tea\n:   A drink.\n\n    From leaves.\n\nEnd.", "Tea\n\nA drink.\n\nFrom leaves.\n\nEnd."),
        (":::note Care\n\nHot.\n\n:::\n\n::: tip\nMild.\n:::", "Care\n\nHot.\n\nMild."),
        ("> [!NOTE]\n> Hot.", "Hot."),
        ("> [!tip]- Tea\n> Hot.", "Tea\n\nHot."),
    ],
)
def test_admonitions_tabs_and_notes_keep_their_text(source: str, text: str) -> None:
    assert plain_text(source, Omissions("")) == text


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("<div>\nTea *is* hot.\n</div>", "Tea is hot."),
        ("<details><summary>Hot?</summary>\nYes.\n\nVery.\n\n</details>", "Hot?\n\nYes.\n\nVery."),
        ("<h2>Tea</h2>\nIt is hot.", "Tea\n\nIt is hot."),
        ("<ul>\n<li>Tea</li>\n<li>Milk</li>\n</ul>", "- Tea\n\n- Milk"),
        ("<!-- a --> Tea.\n\n<!--\nb\n\nc\n--> Milk.", "Tea.\n\nMilk."),
        ("<table>\n<tr>\n\n<td>Tea</td>\n\n</table>\n\n<pre>\nx\n\ny</pre> Hot.", "Hot."),
        ("A <table> holds *tea*.", "A\n\nholds tea."),
        ("<svg/> Tea </svg>.", "Tea ."),
    ],
)
def test_html_blocks_are_read_except_elements_without_prose(source: str, text: str) -> None:
    assert plain_text(source, Omissions("")) == text


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ('import A from "a";\n\nexport const b = 1\n\n<A x={{y: 1}}>\n\nTea.\n\n</A>\n\n{/* c */}', "Tea."),
        ("Tea {% include a %}is {{ b }}hot.\n{: .c}", "Tea is hot."),
        ("{% highlight c %}\nint x;\n\ny;\n{% endhighlight %}\n{{< a >}}\nTea.", "Tea."),
        ("Write `{% raw %}` here.", "Write {% raw %} here."),
        ("# Tea {#tea}", "Tea"),
    ],
)
def test_tags_of_mdx_liquid_and_hugo_are_omitted(source: str, text: str) -> None:
    assert plain_text(source, Omissions("")) == text


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (
            "Tea\n\n    It is hot and mild.\n    Very mild.\n\n    x = 1",
            "Tea\n\nIt is hot and mild. Very mild.",
        ),
        ("    Tea is a hot\ndrink from leaves.", "Tea is a hot drink from leaves."),
        ("1. Tea.\n\n       It is hot and mild.", "1. Tea.\n\nIt is hot and mild."),
    ],
)
def test_an_indented_paragraph_of_sentences_is_prose(source: str, text: str) -> None:
    assert plain_text(source, Omissions("")) == text


@pytest.mark.parametrize(
    "code",
    ["x = 1", "$ make all the things now.", "Foo.bar(x, y) + f[0] == g(z).", "Error", "if tea is hot:"],
)
def test_code_is_no_prose(code: str) -> None:
    assert not reads_as_prose(code)
    assert reads_as_prose("Tea is very hot.")
    assert reads_as_prose("\u8336\u5f88\u70ed\u3002")


@pytest.mark.parametrize(
    "front",
    [
        "---\n\ntitle: T\n---\n", "\n---\ntitle: T\n# c\na:\n- b\n  d: |\n   e\n---\n", "---\na: b\n...\n",
        '+++\ntitle = "T"\n\n[a]\nb = 1\n+++\n', '{\n"a": {"b": 1}}\n',
    ],
)  # fmt: skip
def test_front_matter_is_omitted(front: str) -> None:
    assert plain_text(f"{front}\nText.", Omissions("")) == "Text."


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("---\n\nTea.\n\n---\na: b\n\nHot.\n\n---", "Tea.\n\na: b\n\nHot."),
        ("---\nNote: tea.\n\nIt is hot.\n\n---\n", "Note: tea.\n\nIt is hot."),
        ("+++ Tea", "+++ Tea"),
        ('{"a": tea}', '{"a": tea}'),
    ],
)
def test_text_between_lines_of_dashes_is_no_front_matter(source: str, text: str) -> None:
    assert plain_text(source, Omissions("")) == text


@pytest.mark.parametrize("mark", ["> ", "- "])
def test_text_is_read_however_deep_it_is_nested(mark: str) -> None:
    assert plain_text(mark * 12 + "tea", Omissions("")).endswith("tea")
    assert plain_text(mark * 2000 + "tea", Omissions("")).endswith("tea")


@pytest.mark.parametrize(
    "unit",
    [
        "{{",
        "{%",
        "<A {",
        "<table>",
        "[^1]: a\n",
        ": a\n",
        "!!! a\n",
        "    Aa bb cc dd.\n# ee\n",
        ":::\n",
        "> ",
    ],
)
def test_the_steps_for_repeated_markup_are_in_proportion_to_its_length(unit: str) -> None:
    assert_calls_are_in_proportion(lambda text: plain_text(text, Omissions("")), unit, 5_000)
