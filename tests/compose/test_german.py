"""Markdown as German is written: no rendering changes letters, digits or signs of a text, in any form of it."""

from __future__ import annotations

import dataclasses
import html
import io
import re
from datetime import date

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import given as always
from hypothesis import strategies as st
from pypdf import PdfReader

from om_campaigns.compose.building import make_edition
from om_campaigns.compose.edition import Purpose, show_html, show_subject, show_text
from om_campaigns.compose.lint import Rendered, lint
from om_campaigns.compose.lint.page import read_page
from om_campaigns.compose.lint.structure import check_width
from om_campaigns.compose.markdown import check_markdown, convert
from om_campaigns.compose.overlay_text import check_words
from om_campaigns.compose.pdf import make_pdf
from om_campaigns.compose.public_version import make_page_html
from tests.compose.sample_letter import HEAD, Given

pytestmark = pytest.mark.slow

QUOTES = str.maketrans(
    dict.fromkeys("„“”‚‘’»«\"'", '"') | {"–": "-", "—": "-", "\u00a0": " ", "\u202f": " ", "\u2011": "-", "\u00ad": None}
)


def folded(text: str) -> str:
    """As two readings of a text are compared: quotation marks, dashes and blanks are one each."""
    return " ".join(re.sub("-+", "-", text.translate(QUOTES)).split())


def html_of(source: str) -> str:
    made = re.sub(r"\{%.*?%\}", "", convert(source, "x.md", 1, "de").html.text)
    return made.strip()


def seen(source: str) -> str:
    return html.unescape(re.sub(r"<[^>]+>", "", re.sub(r"<(/p|/li|br /)>", "\n", html_of(source)))).strip()


def read(source: str) -> str:
    return re.sub(r"\{%.*?%\}", "", convert(source, "x.md", 1, "de").plain.text).strip()


AS_WRITTEN = {
    "gender star": "liebe Berater*innen und Kolleg*innen, ein*e Trainer*in; jede*r kann mitmachen, auch Expert*innen.",
    "other gender forms": "Berater_innen und Kolleg_innen, Berater:innen und Kolleg:innen, Berater/-innen, Kolleg(inn)en",
    "stars as notes": "Preis 5 Euro* und 7 Euro**, Felder mit (*) sind Pflicht, (*) heißt Pflicht.",
    "a note below": "* zzgl. Mehrwertsteuer",
    "sums": "2*3*4 = 24, 2 * 3 * 4, 5 x 3, 10^6, a_b_c, +-5 %, 3 > 2, 5 < 7",
    "brackets of the law": "nach Buchstabe (c) und (r) sowie (tm), (C), (P) und (p)",
    "dots and marks": "Fragen???? Ja!!!!! Und so weiter....... aber.. gut...",
    "dashes in words": "Seiten 3--5, Option --verbose, e--mail",
    "apostrophes": "Wir '68er, das Jahr '89, rock'n'roll, Klaus' Haus, Andrea's Imbiss",
    "feet and inches": '5\' 10", 27"-Monitor, 19" breit',
    "commas as marks": ",,Anführung'' und ''zwei''",
    "a date at a line's start": "3. Oktober 2027 ist Feiertag.",
    "dates": "17. 05. 2027 ist Stichtag.",
    "a number alone": "5. Rang für Bonn",
    "a bracket for a number": "1) Haus, 2) Hof",
    "a section": "§ 7 Abs. 2 Nr. 3 UWG, z.B. u.a., i. d. R., 5 %, 10 Uhr",
    "footnotes": "Wie gesagt[^1] und weiter.",
    "crossed out": "Das kostet ~~10~~ 5 Euro.",
    "a hash": "#Mittelstand und C#, Nr. #5",
    "an underscore": "datei_name_neu.txt, _ allein, __ zu zweit",
    "a pipe": "A | B | C",
    "a word in brackets": "[Hinweis]: Ja",
    "file names": r"C:\Ordner und \\server\freigabe",
    "an ampersand": "Müller & Söhne, R&D, AT&T; &c.",
    "pointed": "<Name> und <Ort>, a<b>c",
    "emoji": ":-) und :smile: und 8)",
}


@pytest.mark.parametrize("text", AS_WRITTEN.values(), ids=AS_WRITTEN)
def test_a_line_stays_as_it_was_written(text: str) -> None:
    kept = text.replace("\\\\", "\\")  # two backslashes are one everywhere
    assert folded(seen(text)) == folded(kept)
    assert folded(read(text)) == folded(kept)


def test_bold_and_stress_still_work() -> None:
    made = html_of("Frei**berufler*innen** und *ganz* wichtig, (*auch so*), **fett**, _so_ und „*so*“, *{{ x }}*, ***beides***")
    for wanted in (
        "Frei<strong>berufler*innen</strong>",
        "<em>ganz</em>",
        "(<em>auch so</em>)",
        "<em>so</em> und „<em>so</em>“",
        "<em><strong>beides",
    ):
        assert wanted in made
    assert "<em>{{\n x }}</em>" in made
    assert "Freiberufler*innen und" in read("Frei**berufler*innen** und")
    assert "*fett*" in read("ganz **fett** hier")


def test_quotation_marks_go_in_pairs() -> None:
    assert (
        seen('"Zitat im \'inneren\' Zitat", ("so"), "a *b* c": 27"-Monitor') == '„Zitat im ‚inneren‘ Zitat“, („so“), „a b c“: 27"-Monitor'
    )
    assert seen('Er sagt: "Das ist Klaus\' Haus" und geht.') == "Er sagt: „Das ist Klaus' Haus“ und geht."
    assert seen("ein -- ja, ein --- Strich") == "ein\u00a0– ja, ein\u00a0— Strich"


@pytest.mark.parametrize(
    ("source", "numbers"),
    [
        ("1. a\n2. b\n3. c", True),
        ("1. a\n1. b\n1. c", True),
        ("Text:\n1. a", True),
        ("Text\n1. a\n2. b", True),
        ("1. a\n   - darunter\n\n   Absatz\n2. b", True),
        ("1. a\n\n2. b\n\n3. c", True),
        ("{% for x in y %}\n1. {{ x }}\n{% endfor %}", True),
        ("2. b\n3. c", False),
        ("1. a\n3. c", False),
        ("14. Januar: Köln\n21. Februar: Bonn\n3. März: Essen", False),
        ("1. Mai: frei\n2. Mai: nicht frei", False),
        ("1. bis 3. Mai", False),
        ("1. und 2. Mai", False),
        ("1. 5. 2027", False),
        ("Wir treffen uns am\n1. Dezember in Köln", False),
        ("Er wurde\n1. Sieger", False),
        ("1) a\n2) b", False),
        ("- 18. September: Treffen\n- 2. Oktober: Feier", False),
        ("> 3. Oktober", False),
    ],
)
def test_only_what_counts_is_numbered(source: str, numbers: bool) -> None:
    assert ("<ol" in html_of(source)) == numbers
    if not numbers:
        assert folded(seen(source)) == folded(re.sub(r"(?m)^[->] ", "", source))


def test_a_numbered_list_goes_on_after_a_condition() -> None:
    made = html_of("1. a\n{% if x %}\n2. b\n{% endif %}\n3. c")
    assert re.findall(r"<ol[^>]*>", made) == ["<ol>", '<ol start="2">', '<ol start="3">']


def test_numbers_that_are_no_list_stand_on_lines_of_their_own() -> None:
    source = "Termine:\n\n14. Januar: Auftakt\n21. Februar: Werkstatt\n3. März: Abschluss"
    assert html_of(source).count("<br />") == 2
    assert read(source) == source


def test_one_lonely_dash_belongs_to_the_sentence() -> None:
    text = "Bitte rechnen Sie\n+ Anfahrt\ndazu, und zwar\n- wie immer - bis Freitag."
    assert "<li>" not in html_of(text)
    assert folded(seen(text)) == folded(text)
    assert html_of("Bringen Sie mit:\n- Ausweis").count("<li>") == 1
    assert html_of("Bringen Sie mit\n- Ausweis\n- Geld").count("<li>") == 2
    assert html_of("* a\n* b").count("<li>") == 2
    assert html_of("Bringen Sie mit\n- Ausweis\n{% if x %}\n- Geld\n{% endif %}").count("<li>") == 2


def test_words_at_a_line_s_end_are_not_glued_together(given: Given) -> None:
    """MRML drops a line's end that stands between two tags."""
    edition = make_edition(
        dataclasses.replace(given(HEAD + "**eins**\n**zwei** und [drei](https://a.example)\n*vier*\n"), purpose=Purpose.pack)
    )
    words = re.sub(r"<[^>]+>", "", edition.html.chunks[0])
    assert "eins zwei und drei vier" in words


ADDRESSES = {
    "https://example.org/foo--bar/a...b/(c)/seite": "https://example.org/foo--bar/a...b/(c)/seite",
    "https://example.org/pfad_mit_unter_strich/*stern*/x": "https://example.org/pfad_mit_unter_strich/*stern*/x",
    "https://example.org/wiki/Wir_(Film)": "https://example.org/wiki/Wir_(Film)",
    "https://example.org/?a=1&b='x'": "https://example.org/?a=1&b='x'",
    "www.example.org": "https://www.example.org",
    "presse@example.org": "mailto:presse@example.org",
    "vor.name+x@amt.example.org": "mailto:vor.name+x@amt.example.org",
}


@pytest.mark.parametrize("around", ["Siehe {}.", "({})", "„{}“", "**{}**, ja", "{}, und", "a\n{}\nb", "- {}", "{}!"])
@pytest.mark.parametrize("address", ADDRESSES)
def test_a_bare_address_is_a_link_and_untouched(address: str, around: str) -> None:
    if address.endswith("'"):
        address = address[:-3]
    made = html_of(around.format(address))
    link = re.search(r'<a href="([^"]*)">([^<]*)</a>', made)
    assert link is not None
    assert html.unescape(link[2]) == address
    assert html.unescape(link[1]) in (ADDRESSES.get(address, address), address)
    assert address in read(around.format(address))
    assert f"<{address}" not in read(around.format(address))


def test_addresses_in_links_and_code_are_left_alone() -> None:
    made = html_of("[https://a.example/x](https://a.example/x) `https://b.example` [Text](https://c.example) <https://d.example>")
    assert re.findall(r'href="([^"]+)"', made) == ["https://a.example/x", "https://c.example", "https://d.example"]
    assert "<code>https://b.example</code>" in made


@pytest.mark.parametrize(
    "link",
    [
        "[Büro](tel:+49301234567)",
        "[Artikel](https://example.org/wiki/Wir_(Film))",
        "[Redaktion](mailto:info@example.org?subject=Frage%20zu%20%C3%84nderung&body=Guten%20Tag)",
        "[beide](mailto:info@example.org?cc=b@example.org)",
    ],
)
def test_good_links_pass_for_a_house_too(link: str) -> None:
    assert check_words(f"Mehr: {link}.", "Haus", 1) == []


@pytest.mark.parametrize(
    ("source", "line", "rule", "said"),
    [
        ("Text[^1]", 1, "markdown", "no footnotes"),
        ("a\n\n[^1]: Fußnote", 3, "markdown", "no footnotes"),
        ("~~weg~~", 1, "markdown", "crossed out"),
        ("- [ ] offen", 1, "markdown", "boxes to tick"),
        ("a\n\n|x|y|\n|-|-|\n|1|2|3|", 5, "lost-text", "3 cells"),
        ("> " * 20 + "tief", 1, "lost-text", "deep inside each other"),
    ],
)
def test_what_does_not_work_in_letters_is_named_where_it_stands(source: str, line: int, rule: str, said: str) -> None:
    _, problems = check_markdown(source, "x.md", 1, "de")
    assert [(each.line, each.rule_id) for each in problems] == [(line, rule)]
    assert said in problems[0].text


@pytest.mark.parametrize("sign", ["\x0b", "\x0c", "\u2028", "\u2029", "\x85", "\r\n", "\r"])
def test_whatever_ends_a_line_ends_a_line(sign: str) -> None:
    assert html_of(f"Liste:\n- eins{sign}- zwei") == html_of("Liste:\n- eins\n- zwei")
    assert check_words(f"eins{sign}zwei", "Haus", 1) == []


WORDS = [
    *("Berater*innen", "Kolleg_innen", "Trainer:in", "jede*r", "Betriebe", "Größe", "z. B.", "u.a.", "§ 7", "5 %", "3–5", "10 Uhr", "(c)"),
    *(
        "(tm)",
        "rock'n'roll",
        "Klaus'",
        "'89",
        '27"',
        "1.",
        "14. Januar",
        "3. Mai 2027",
        "17.05.2027",
        "2*3",
        "a_b",
        "C#",
        "#5",
        "&",
        "und/oder",
    ),
    *(
        "https://haus.example/a_b/*c*/d--e",
        "www.haus.example/x(y)",
        "amt@haus.example",
        "0211 123-45",
        "--",
        "...",
        "??",
        "+",
        "=",
        "|",
        "~",
        "<5",
        "@",
    ),
    *(
        '"Zitat"',
        "„so“",
        "»so«",
        "'eins'",
        "(siehe",
        "oben)",
        "[1]",
        "[x]",
        "100.000",
        "Nr. 5",
        "Dr. Ahlers",
        "e.V.",
        "1)",
        "*",
        "**",
        "_",
        "x^2",
    ),
]
SENTENCE = st.lists(st.sampled_from(WORDS), min_size=1, max_size=9).map(" ".join)
PROSE = st.lists(SENTENCE, min_size=1, max_size=4).map("\n".join)


def without_markup(prose: str) -> str:
    """What Markdown would read as lists, quotes, headings, tables or stress is not there."""
    joined = re.sub(r"\n(?=[-*>+=#|_~]|1\. )", " ", f"Anfang {prose} Ende").replace("**", "")
    return re.sub(r"(?<!\S)[*_](?=\S)|(?<=\s)\*\s", "", joined)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@always(prose=PROSE)
def test_source_html_text_and_sheet_say_the_same(given: Given, prose: str) -> None:
    """Prose without markup, in generated German: every sign is where it was, in each form of a letter."""
    prose = without_markup(prose)
    wanted = folded(prose)
    edition = make_edition(dataclasses.replace(given(HEAD + prose + "\n"), purpose=Purpose.pack))
    shown = html.unescape(re.sub(r"<[^>]+>", "", re.sub(r"<br ?/>|</p>", "\n", edition.html.chunks[0])))
    assert wanted in folded(shown)
    assert wanted in folded(show_text(edition, {}))
    archived = html.unescape(re.sub(r"<[^>]+>", "", re.sub(r"<br>|</p>", "\n", make_page_html(edition.markdown, {}, "de"))))
    assert wanted in folded(archived)
    for sign in "\u00a0\u202f\u2011\u00ad":
        assert sign not in show_text(edition, {})


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@always(prose=PROSE)
def test_the_sheet_says_the_same(prose: str) -> None:
    prose = without_markup(prose)
    sheet = make_pdf(prose, title="T", house="H", foot="F", language="de", labels={}, accent="#123456", made_on=date(2027, 1, 4))
    printed = " ".join(page.extract_text() for page in PdfReader(io.BytesIO(sheet)).pages)
    squeezed = re.sub(r"[\s-]", "", folded(printed))  # words are hyphenated on paper
    assert re.sub(r"[\s-]", "", folded(prose)) in squeezed


def test_code_keeps_its_lines_in_every_form(given: Given) -> None:
    source = HEAD + "Davor\n\n```\nerste  Zeile\n  zweite\n```\n\nDanach `a  b`\n"
    edition = make_edition(dataclasses.replace(given(source), purpose=Purpose.pack))
    assert re.search(r'<pre style="[^"]*white-space: ?pre-wrap', edition.html.chunks[0])
    assert "    erste  Zeile\n      zweite\n" in edition.text.chunks[0]
    sheet = make_pdf(edition.markdown, title="T", house="H", foot="F", language="de", labels={}, accent="#123456", made_on=date(2027, 1, 4))
    assert "zweite" in PdfReader(io.BytesIO(sheet)).pages[0].extract_text()


def test_ren_18_what_may_not_fit_on_a_phone_is_named(given: Given) -> None:
    def wide(body: str) -> list[str]:
        page = make_edition(dataclasses.replace(given(HEAD + body), purpose=Purpose.pack)).html.chunks[0]
        return [each.text for each in check_width(read_page(page))]

    assert wide("Kennwort `K7M-2X99-ABC-DEF` und\n\n| Haus | Wofür |\n|---|---|\n| Krankenkasse | Gesundheit im Betrieb |\n") == []
    assert "never breaks" in wide("`langer-code-der-nie-umbrochen-wird-weil-man-ihn-kopiert`\n")[0]
    assert "table of 6 columns" in wide("|" + "Ansprechpartner|" * 6 + "\n" + "|-" * 6 + "|\n" + "|Handwerkskammer" * 6 + "|\n")[0]


@pytest.mark.parametrize(
    "body",
    [
        "Adresse: https://example.org/foo--bar/a...b/(c)/seite und www.example.org, presse@example.org.",
        "rufen Sie [unser Büro](tel:+49301234567) an.",
        "lesen Sie [den Artikel](https://example.org/wiki/Wir_(Film)) in Ruhe.",
        "schreiben Sie [an die Redaktion](mailto:info@example.org?subject=Frage%20zu%20%C3%84nderung) oder "
        "[an beide](mailto:info@example.org?cc=b@example.org).",
        "in HTML heißt fett `<b>fett</b>`.",
    ],
)
def test_the_lint_is_silent_about_good_links_and_code(given: Given, values: dict[str, str], body: str) -> None:
    given_letter = given(HEAD + "Guten Tag {{ contact.full_name }},\n\n" + body + "\n")
    edition = make_edition(given_letter)
    letter = Rendered(
        show_subject(edition, values), "Vorspann", show_html(edition, values), show_text(edition, values), "Offensive Mittelstand"
    )
    assert [each for each in lint(letter) if each.rule_id in ("MSG-11", "REN-16", "REN-12")] == []
