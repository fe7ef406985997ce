"""What anybody outside wrote never reaches the template engine: braces in every spelling are read as braces (SEC-03)."""

from __future__ import annotations

import dataclasses
import html
import io
import re
from collections.abc import Sequence
from datetime import date
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import given as always
from hypothesis import strategies as st
from markdown_it.token import Token
from pypdf import PdfReader

from om_campaigns.compose import building
from om_campaigns.compose.building import make_edition
from om_campaigns.compose.dialect import make_parser, visible_text
from om_campaigns.compose.edition import Edition, EditionInput, Purpose
from om_campaigns.compose.markdown import convert
from om_campaigns.compose.overlay import TOP, OverlayKind, OwnBlock
from om_campaigns.compose.overlay_text import check_words
from om_campaigns.compose.pack import Format, PackText, make_file
from om_campaigns.errors import ProblemsError
from tests.compose.sample_letter import HEAD, Given

pytestmark = pytest.mark.slow

BODY = """{{ contact.greeting }},

ein Gedanke von {{ org.name }}.

::: offers {#offers locked}
Checks für {{ org.short_name }}, und zwar **alle**.
:::

::: say {#say frei}
Wollen wir?
:::

Zum Schluss.
"""
LOCKED = "Checks für HWK Lindenau, und zwar"


def pack_of(given: Given, *own: OwnBlock, body: str = BODY, **more: Any) -> EditionInput:
    return dataclasses.replace(given(HEAD + body, **more), purpose=Purpose.pack, overlay=own)


def say(text: str) -> OwnBlock:
    return OwnBlock("say", OverlayKind.replaced, text)


def add(text: str, name: str = "eigen", after: str = "") -> OwnBlock:
    return OwnBlock(name, OverlayKind.added, text, after=after)


def read_markdown(markdown: str) -> str:
    """The words of a text, whatever they are spelled like."""
    inline = (token.children or () for token in make_parser("de").parse(markdown))
    return "\n".join("".join(child.content for child in children if child.type in ("text", "code_inline")) for children in inline)


def shown(edition: Edition) -> str:
    """The words of the HTML part."""
    body = re.sub(r"<(style|title)\b.*?</\1>|<!--.*?-->", " ", edition.html.chunks[0], flags=re.DOTALL)
    return html.unescape(re.sub(r"<[^>]+>", "", body))


SPELLINGS = {
    "in a link's title": ('[hier](https://x.example "&lcub;{ 7*193 }&rcub;")', "{{ 7*193 }}"),
    "by backslashes": (r"{\{ 7*193 }\}", "{{ 7*193 }}"),
    "by decimal entities": ("&#123;&#123; 7*193 &#125;&#125;", "{{ 7*193 }}"),
    "by hexadecimal entities": ("&#x7B;&#X7b; 7*193 &#x7d;&#x7D;", "{{ 7*193 }}"),
    "by names": ("&lbrace;&lcub; 7*193 &rbrace;&rcub;", "{{ 7*193 }}"),
    "as a statement": ("&#123;% set x = 7 %&#125;", "{% set x = 7 %}"),
    "as a comment": ("&#123;# weg #&#125;", "{# weg #}"),
    "in program code": ("`&#123;` und `{` und `{ { 7 } }`", "&#123; und { und { { 7 } }"),
    "in a picture's place": ("!&#123;&#123; 7*193 &#125;&#125;", "!{{ 7*193 }}"),
    "across emphasis": ("**&#123;**&#123; 7*193 &#125;*&#125;*", "{{ 7*193 }}"),
}


@pytest.mark.parametrize(("text", "seen"), SPELLINGS.values(), ids=SPELLINGS)
def test_own_words_in_braces_are_read_as_they_are(given: Given, text: str, seen: str) -> None:
    edition = make_edition(pack_of(given, say(text)))
    flat = html.unescape(edition.html.chunks[0]) if '"' in text else shown(edition)
    assert seen in flat.replace("\u00a0", " ")
    assert seen in read_markdown(edition.markdown).replace("\u00a0", " ") + visible_text(edition.markdown)
    assert "1351" not in edition.html.chunks[0] + edition.text.chunks[0] + edition.markdown
    assert LOCKED in shown(edition)
    if "](" not in text:
        assert seen in edition.text.chunks[0].replace("*&#", "&#").replace("*{*", "{")


def test_a_comment_across_two_blocks_takes_nothing_away(given: Given) -> None:
    own = (add("Anfang &lcub;#", after=TOP), say("#&rcub; Text"))
    edition = make_edition(pack_of(given, *own))
    for text in (shown(edition), edition.text.chunks[0], edition.markdown):
        assert LOCKED in text
    assert "Anfang {#" in shown(edition)
    assert "#} Text" in edition.text.chunks[0]


def test_plain_braces_in_stored_own_words_are_no_template_either(given: Given) -> None:
    """The door refuses them (``check_words``); what got past it is text all the same."""
    own = (add("Anfang {# {% if org %}", after=TOP), say("{{ 7*193 }} {% endif %} #} {{ contact.full_name }}"))
    edition = make_edition(pack_of(given, *own))
    for text in (shown(edition), edition.text.chunks[0], visible_text(edition.markdown)):
        assert "Anfang {# {% if org %}" in text
        assert "{{ 7*193 }} {% endif %} #} {{ contact.full_name }}" in text
    assert LOCKED in edition.markdown


@pytest.mark.parametrize(
    "text", ["&#90;q7j00000q7Z", "&#x5a;q7s00000q7Z", "Z`q7s00000q7Z`", "Z&#113;7p61x1q7Z", "Z[q7s00000q7Z](https://x.example)"]
)
def test_nobody_can_write_a_word_that_stands_for_an_expression(given: Given, text: str) -> None:
    """Such a word cut the pack off at its place, silently, the locked blocks and the imprint with it."""
    with pytest.raises(ProblemsError, match="Zq7"):
        make_edition(pack_of(given, say(text)))


def test_braces_of_data_are_data(given: Given, context: dict[str, Any]) -> None:
    name = "Haus {{ 7*193 }} {# *Nord* #} [x](https://x.example)"
    edition = make_edition(pack_of(given, org={**context["org"], "name": name}))
    assert f"ein Gedanke von {name}." in shown(edition)
    assert f"ein Gedanke von {name}." in edition.text.chunks[0]
    assert f"ein Gedanke von {name}." in visible_text(edition.markdown)


def test_staff_print_braces_as_they_like(given: Given) -> None:
    source = HEAD + "Ein {Wort}, {# eine Notiz #}{% raw %}{{ roh }}{% endraw %} und \\{\\{ x \\}\\} für {{ org.short_name }}.\n"
    edition = make_edition(given(source))
    assert "Ein {Wort}, {{ roh }} und {{ x }} für HWK Lindenau." in shown(edition)
    assert "Ein {Wort}, {{ roh }} und {{ x }} für HWK Lindenau." in "".join(edition.text.chunks)


NAMES = ["&lcub;", "&rcub;", "&lbrace;", "&rbrace;", "&#123;", "&#125;", "&#x7b;", "&#X7D;", "&lcub", "&#123"]
BRACES = st.sampled_from(["{", "}", "\\{", "\\}", *NAMES])
INNER = ["%", "#", " 7*193 ", " x ", "-", "set y = 1", " endset ", "'", '"', "\u200b", "\u2060", " include 'x' ", "\n", "\n\n", "# "]
AROUND = ["Text ", "ä", "**", "*", "`", "- ", "1. ", "> ", "[", "](https://x.example)", '](https://x.example "', '")', "<", ">", "|", "~~"]
WRITTEN = st.lists(st.one_of(BRACES, BRACES, st.sampled_from(INNER), st.sampled_from(AROUND)), min_size=1, max_size=14).map("".join)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@always(text=WRITTEN, above=WRITTEN)
def test_random_markdown_with_every_spelling_of_braces_reads_as_its_own_characters(given: Given, text: str, above: str) -> None:
    if any(problem.rule_id != "SEC-03" for each in (text, above) for problem in check_words(each, "Haus", 1)):
        return
    edition = make_edition(pack_of(given, add(above, after=TOP), say(text)))
    seen, read = shown(edition), edition.text.chunks[0]
    for part in (seen, read, edition.markdown):
        assert LOCKED in part
        assert "1351" not in part
    for sign in "{}":
        written = (read_markdown(text) + read_markdown(above)).count(sign)
        assert (seen.count(sign), read.count(sign)) == (written, written)


def test_the_sheet_says_braces_and_every_sign_of_its_own_language(given: Given) -> None:
    """Nothing written becomes markup of the page: neither Jinja's nor typst's."""
    words = r"&lcub;{ x }} \\u{41} ~ -- ... #let x = 1 #panel[a] \$ 1 + 1 \$ = Kopf // weg /\* auch \*/ &#64;quelle https\://x"
    edition = make_edition(pack_of(given, say(words)))
    text = PackText(
        edition, "Titel #emph[x]", "h", "Haus #let", date(2027, 1, 4), (("say", "Was #[Sie] sagen"),), own_words=visible_text(words)
    )
    read = " ".join(PdfReader(io.BytesIO(make_file(text, Format.pdf))).pages[0].extract_text().split())
    for said in (r"{{ x }} \u{41} ~ – ... #let x = 1 #panel[a] $ 1 + 1 $ = Kopf // weg /* auch */ @quelle", "Titel #emph[x]", "Haus #let"):
        assert said in read


def test_every_form_of_a_pack_passes_on_braces_that_a_house_meant(given: Given) -> None:
    words = r"Vorlage: {\{ Name }\} und &lcub;% x %&rcub;"
    assert check_words(words, "Haus", 1) == []
    text = PackText(make_edition(pack_of(given, say(words))), "T", "h", "Haus", date(2027, 1, 4), own_words=visible_text(words))
    for form in Format:
        make_file(text, form)
    with pytest.raises(ProblemsError, match="leftover"):
        make_file(dataclasses.replace(text, own_words=""), Format.html)


def test_a_pack_without_a_locked_block_is_an_error_and_never_leaves(given: Given, monkeypatch: pytest.MonkeyPatch) -> None:
    """Held at composition, so that whatever breaks a block in future is told and not sent."""
    whole = building.apply_overlay

    def broken(*arguments: Any) -> str:
        return whole(*arguments).replace(", und zwar **alle**", "")

    monkeypatch.setattr(building, "apply_overlay", broken)
    with pytest.raises(ProblemsError, match="locked block 'offers' would not stand unchanged"):
        make_edition(pack_of(given, say("Eigenes.")))


def test_marks_of_locked_blocks_reach_no_reader(given: Given) -> None:
    for own in ((), (say("Eigenes."),)):
        edition = make_edition(pack_of(given, *own))
        assert "Zq7" not in edition.html.chunks[0] + edition.text.chunks[0] + edition.markdown
    body = convert(BODY, "x.md", 1, "de")
    assert "Zq7boffersq7Z" in body.html.text


NAMES = ["A|B GmbH", "| a", ":::", "===", "*Stern", "Stern*", "_a", "[x", "x]", "`a", "<https://a.de>", "a\\", "![a", "Berater*innen"]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_makes_nothing_of_what_stands_around_it(given: Given, name: str) -> None:
    """The sheet and the draft read the pack's Markdown once more."""
    org = {**given().context["org"], "name": name, "short_name": name}
    body = "Text\n{{ org.name }}\nmehr.\n\n*{{ org.name }} a* [{{ org.name }}](https://z.de) b* `c`\n\n"
    body += "| x | y |\n|---|---|\n| {{ org.name }} | z |\n\n::: offers {#offers locked}\n{{ org.name }}\n:::\n"
    tokens = make_parser("de").parse(make_edition(pack_of(given, body=body, org=org)).markdown)
    plain = make_parser("de").parse(make_edition(pack_of(given, body=body, org={**org, "name": "Haus", "short_name": "Haus"})).markdown)
    assert shape(tokens) == shape(plain)
    said = ["".join(each.content for each in token.children or ()) for token in tokens]
    wanted = ["".join(each.content for each in token.children or ()).replace("Haus", name) for token in plain]
    assert said == wanted


def shape(tokens: Sequence[Token]) -> list[str]:
    """What stands in what; neighbouring texts are one."""
    kinds = [each.type for token in tokens for each in (token, *(token.children or ())) if each.content or each.type != "text"]
    kinds = ["text" if each == "text_special" else each for each in kinds]
    return [each for number, each in enumerate(kinds) if each != "text" or kinds[number - 1] != "text"]


@pytest.mark.parametrize("name", ["Zq\u00ad7s00000q7Z", "Z\u00adq\u00ad7s00001q7Z"])
def test_a_sign_that_is_taken_out_at_last_hides_no_mark(given: Given, name: str) -> None:
    """A soft hyphen goes when a subject is written: what is left would have been the gap for a reader's own link."""
    with pytest.raises(ProblemsError, match="reserved word"):
        make_edition(given(HEAD + "{{ contact.full_name }}, {{ org.name }}\n", org={**given().context["org"], "name": name}))
    with pytest.raises(ProblemsError, match="cannot be used in a text"):
        make_edition(pack_of(given, say(name.replace("\u00ad", "&shy;"))))
