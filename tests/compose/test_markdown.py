"""Markdown: expressions survive it, data cannot inject it, HTML and plain text say the same (MSG-11), blocks have names."""

from __future__ import annotations

import re

import pytest
from hypothesis import given as always
from hypothesis import strategies as st

from om_campaigns.compose.markdown import check_markdown, convert
from om_campaigns.compose.typesetting import fix_spaces
from om_campaigns.errors import ProblemsError

NO_BREAK = "\u00a0"


def html_of(source: str, language: str = "de") -> str:
    return convert(source, "n1.de.md", 10, language).html.text


def plain_of(source: str) -> str:
    text = convert(source, "n1.de.md", 10, "de").plain.text
    return re.sub(r"\{% (?:set content|endset|include .*?) %\}", "", text).strip()


def problems_of(source: str) -> list[str]:
    return [str(problem) for problem in check_markdown(source, "n1.de.md", 10, "de")[1]]


def test_expressions_return_as_they_were() -> None:
    made = html_of('Hallo {{ contact.full_name }}, *{{ org.name|default("x < y") }}* und [hier]({{ links.web }}).')
    assert '{{\n org.name|default("x < y") }}' in made
    assert '<a href="{{\n links.web }}">' in made
    assert "Zq7" not in made


def test_each_expression_knows_its_line_and_column() -> None:
    source = "eins {{ a }}\n\nzwei {{ b\n }} und {{ c }}\n\n::: say\n{% if d %}x{% endif %}\n:::\n\n{{ e }}"
    made = convert(source, "n1.de.md", 10, "de")
    for part in (made.html, made.plain):
        lines = part.text.split("\n")
        places = {
            name: part.places[number] for number, line in enumerate(lines) for name in "abcde" if re.match(rf" (?:if )?{name}\b", line)
        }
        assert places == {"a": (10, 6), "b": (12, 6), "c": (13, 9), "d": (16, 1), "e": (19, 1)}


def test_statements_on_lines_of_their_own_leave_no_empty_paragraph_and_break_no_list() -> None:
    made = html_of("{% if toolkit %}\n\n- a\n{% if x %}\n- b\n{% endif %}\n- c\n\n{% endif %}\n\nEnde")
    assert "<p>{%" not in made
    assert made.count("<li>") == 3
    for opening, closing in (("<ul>", "</ul>"), ("<li>", "</li>")):
        assert made.count(opening) == made.count(closing)
    assert re.search(r"</ul>\s*\{%\n if x %\}\s*<ul>", made)
    assert made.count("blocks/text.mjml") == 1


def test_statements_around_a_block_part_the_text_so_that_every_branch_is_whole() -> None:
    made = html_of("a\n\n{% if x %}\n\nb\n\n::: say\nc\n:::\n\n{% else %}\n\nd\n\n{% endif %}\n\ne")
    parts = re.split(r"\{%\n (?:if x|else|endif) %\}", made)
    assert [part.count("{% set content %}") for part in parts] == [1, 2, 1, 1]
    assert all(part.count("{% set content %}") == part.count("{% endset %}") for part in parts)


def test_raw_html_is_text() -> None:
    assert "&lt;script&gt;" in html_of("Hallo <script>alert(1)</script>")


def test_headings_begin_below_the_title() -> None:
    made = html_of("# Eins\n\n## Zwei\n\n### Drei\n")
    assert re.findall(r"<(h\d)>", made) == ["h2", "h2", "h3"]


def test_data_tables_have_scoped_heads() -> None:
    assert '<th scope="col">Haus</th>' in html_of("| Haus | Ort |\n|---|---|\n| A | B |\n")


def test_german_typography() -> None:
    made = html_of('Er sagt "gut" - z. B. am 3. Mai um 10 Uhr – oder 5 %, siehe § 7.')
    assert "„gut“" in made
    for fixed in (f"z.{NO_BREAK}B.", f"10{NO_BREAK}Uhr", f"{NO_BREAK}–", f"5{NO_BREAK}%", f"§{NO_BREAK}7"):
        assert fixed in made
    assert "“good”" in html_of('"good"', "en")
    assert NO_BREAK not in plain_of("z. B. 10 Uhr – ja")


@always(st.text(alphabet="aäzB. –%§7 \nNruhkm", max_size=60))
def test_fixed_spaces_change_nothing_but_spaces(text: str) -> None:
    without = re.compile(rf"[ {NO_BREAK}]")
    assert without.sub("", fix_spaces(text)) == without.sub("", text)


def test_plain_text_reads_well() -> None:
    source = """# Was jetzt ansteht

Ein langer Absatz, der in der Datei
über zwei Zeilen geht, mit **Nachdruck** und [Wegweiser](https://haus.example/w?a=1&b=2).

> Ein Zitat.

1. Erstens
2. Zweitens
   - darunter

[Zur Anmeldung](https://haus.example/anmelden)

| Haus | Ort | Telefon |
|---|---|---|
| HWK | Lindenau | 0211 1 |
"""
    assert plain_of(source) == "\n\n".join(
        [
            "Was jetzt ansteht\n-----------------",
            "Ein langer Absatz, der in der Datei über zwei Zeilen geht, mit *Nachdruck* und Wegweiser <https://haus.example/w?a=1&b=2>.",
            "> Ein Zitat.",
            "1. Erstens\n2. Zweitens\n   - darunter",
            "Zur Anmeldung: https://haus.example/anmelden",
            "- HWK; Ort: Lindenau; Telefon: 0211 1",
        ]
    )


def test_an_address_shown_as_itself_stands_once() -> None:
    assert plain_of("Mail an <post@haus.example> oder <https://haus.example>.") == "Mail an post@haus.example oder https://haus.example."


WORDS = st.lists(st.sampled_from(["Haus", "Rat", "Hilfe", "Weg", "Brücke", "Tür"]), min_size=1, max_size=6).map(" ".join)
PIECES = st.one_of(
    WORDS,
    WORDS.map(lambda text: f"**{text}**"),
    WORDS.map(lambda text: f"[{text}](https://haus.example/{len(text)})"),
    WORDS.map(lambda text: f"- {text}"),
    WORDS.map(lambda text: f"> {text}"),
    WORDS.map(lambda text: f"## {text}"),
)


@always(st.lists(PIECES, min_size=1, max_size=8).map("\n\n".join))
def test_msg_11_html_and_plain_text_say_the_same(source: str) -> None:
    made = html_of(source)
    shown = re.sub(r"\{%.*?%\}|<[^>]+>", " ", made)
    wording = re.compile(r"Haus|Rat|Hilfe|Weg|Brücke|Tür")
    plain = plain_of(source)
    assert wording.findall(shown) == wording.findall(re.sub(r"https://\S+", "", plain))
    assert set(re.findall(r'href="([^"]+)"', made)) == set(re.findall(r"https://haus\.example/\d+", plain))


def test_blocks_have_name_policy_and_hash() -> None:
    source = "::: offers {#o locked}\nEins\n:::\n\n::: sagen {#s frei}\nZwei {{ org.name }}\n:::\n\n::: do\nDrei\n:::\n"
    blocks = convert(source, "n1.de.md", 1, "de").blocks
    assert [(block.name, block.id, block.policy, block.line) for block in blocks] == [
        ("offers", "o", "locked", 1),
        ("say", "s", "editable", 5),
        ("do", "do", "editable", 9),
    ]
    again = convert("Vorspann\n\n" + source.replace("Drei", "Vier"), "n2.de.md", 1, "de").blocks
    assert [block.hash for block in again[:2]] == [block.hash for block in blocks[:2]]
    assert again[2].hash != blocks[2].hash


def test_the_action_follows_do_or_stands_where_it_is_put_or_at_the_end() -> None:
    def order(source: str) -> list[str]:
        return re.findall(r"include 'blocks/(\w+)\.mjml'", html_of(source))

    assert order("a\n\n::: do\nb\n:::\n\nc") == ["text", "do", "action", "text"]
    assert order("a\n\n::: do\nb\n:::\n\nc\n\n::: action\n:::\n\nd") == ["text", "do", "text", "action", "text"]
    assert order("a") == ["text", "action"]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("a\n\n::: say\nb", "n1.de.md:12:1: this block is never closed"),
        ("::: say\n::: do\nx\n:::\n:::", "n1.de.md:11:1: a block cannot stand inside another one"),
        ("::: say\na\n:::\n\n::: say\nb\n:::", "n1.de.md:14:1: there are two blocks '#say'"),
        ("::: say {#say open}\na\n:::", "n1.de.md:10:1: 'open' is no policy"),
        ("::: Say it!\na\n:::", "n1.de.md:10:1: '::: Say it!' is no block head"),
        ("a\n\nb {% include 'x' %}", "n1.de.md:12:3: '{% include %}' is for layouts"),
        ("a\n  {{ org.name", "n1.de.md:11:3: '{{' begins here and never ends"),
        ("a Zq7s00000q7Z", "n1.de.md:10:3: 'Zq7' cannot be used"),
    ],
)
def test_faults_say_where(source: str, said: str) -> None:
    assert any(problem.startswith(said) for problem in problems_of(source)), problems_of(source)
    with pytest.raises(ProblemsError):
        convert(source, "n1.de.md", 10, "de")


def test_ren_11_a_picture_has_words_and_a_size_and_nothing_else() -> None:
    """What a text says of a picture's size reaches HTML alone; no other attribute does."""
    source = "![Zwei am Zaun](https://om.example/zaun.png){width=520 height=200 onclick=x .klasse}"
    body = convert(source, "x.md", 1, "de")
    assert '<img src="https://om.example/zaun.png" alt="Zwei am Zaun" width="520" height="200" />' in body.html.text
    assert "Zwei am Zaun" in body.plain.text
    assert "520" not in body.plain.text
