"""The lint on a real letter: clean as it is, and every single fault found (REN-01 … REN-16, LAW-15, LAW-16, MSG-11, UNS-14).

Each test spoils the finished letter in one place, as a changed layout, block or renderer would.
"""

from __future__ import annotations

import dataclasses
import re
import time
from collections.abc import Callable

import pytest
from hypothesis import given as always
from hypothesis import strategies as st

from om_campaigns.compose.building import make_edition
from om_campaigns.compose.edition import Purpose, show_html, show_subject, show_text
from om_campaigns.compose.lint import Rendered, lint, lint_fragment
from om_campaigns.compose.pack import make_snippet
from tests.compose.sample_letter import HEAD, LETTER, Given

PICTURE = '<img src="https://om.example/a.png" width="90" height="40" alt="Ein Fenster">'
Spoil = Callable[[str], str]


@pytest.fixture
def clean(given: Given, values: dict[str, str]) -> Rendered:
    """A letter as it goes out, with a picture in it."""
    edition = make_edition(given(LETTER))
    html = show_html(edition, values).replace("</h1>", f"</h1>{PICTURE}", 1)
    return Rendered(
        subject=show_subject(edition, values),
        preheader=edition.preheader.chunks[0],
        html=html,
        text=f"{show_text(edition, values)}\nEin Fenster",
        om_name="Offensive Mittelstand",
        imprint=("Verein Beispiel, Gartenweg 2, 50667 Köln", "https://om.example/impressum"),
        unsubscribe="https://om.example/u/abc",
        reader="Ömer Weiß",
    )


def rules(letter: Rendered) -> list[tuple[str, bool]]:
    return [(each.rule_id, each.is_warning) for each in lint(letter)]


def swap(old: str, new: str, count: int = 1) -> Spoil:
    """Replace what is certainly there."""

    def spoil(html: str) -> str:
        assert old in html
        return html.replace(old, new, count)

    return spoil


def add(html: str) -> Spoil:
    """Put something after the title."""
    return swap("</h1>", f"</h1>{html}")


def test_a_letter_as_it_goes_out_is_clean(clean: Rendered) -> None:
    assert lint(clean) == []


@pytest.mark.parametrize("brand", ["om", "hwk-westerfurt", "krankenkasse-auental", "beraterverband-klarsee"])
@pytest.mark.parametrize("language", ["de", "en"])
def test_so_is_what_is_passed_on_in_every_brand_and_language(given: Given, brand: str, language: str) -> None:
    source = LETTER.replace("Guten Tag {{ contact.full_name }}", "{{ contact.greeting }}")
    edition = make_edition(dataclasses.replace(given(source, brand=brand, language=language), purpose=Purpose.pack))
    html, text = edition.html.chunks[0], edition.text.chunks[0]
    imprint = ("https://om.example/impressum",)
    assert lint(Rendered(edition.subject.chunks[0], edition.preheader.chunks[0], html, text, "Offensive Mittelstand", imprint)) == []


STRUCTURE = {
    "REN-07 no word on dark mode": ("REN-07", swap('<meta name="color-scheme" content="light dark">', "")),
    "REN-07 pure black on white": ("REN-07", add('<p style="color:#000;background:#fff">Pur</p>')),
    "REN-08 grey on grey": ("REN-08", add('<p style="color:#999999;background-color:#bbbbbb">Blass</p>')),
    "REN-08 by name and bgcolor": (
        "REN-08",
        add('<table role="presentation"><tr><td bgcolor="silver" style="color:gray">x</td></tr></table>'),
    ),
    "REN-08 half transparent": ("REN-08", add('<p style="color:rgba(20,34,46,.4)">Blass</p>')),
    "REN-08 only when inverted": ("REN-08", add('<p style="color:#ff5555;background:#000820">Rot auf Nacht</p>')),
    "REN-08 only in dark mode": (
        "REN-08",
        swap("</style>", "@media (prefers-color-scheme:dark){body .title h1{color:#222!important}}</style>"),
    ),
    "REN-09 no language on html": ("REN-09", swap('<html lang="de" dir="ltr"', '<html dir="ltr"')),
    "REN-09 no language inside": ("REN-09", swap('role="article" lang="de" dir="ltr"', 'role="article" dir="ltr"')),
    "REN-09 no direction inside": ("REN-09", swap('role="article" lang="de" dir="ltr"', 'role="article" lang="de"')),
    "REN-10 a layout table without role": ("REN-10", add("<table><tr><td>x</td></tr></table>")),
    "REN-10 a layout table with heads": ("REN-10", add('<table role="presentation"><tr><th scope="col">x</th></tr></table>')),
    "REN-10 a head without scope": ("REN-10", add("<table><tr><th>Blick</th></tr></table>")),
    "REN-11 no alt text": ("REN-11", swap(' alt="Ein Fenster"', "")),
    "REN-11 no width": ("REN-11", swap(' width="90"', "")),
    "REN-11 no height": ("REN-11", swap(' height="40" alt', " alt")),
    "FWD-06 a picture in the mail itself": ("FWD-06", swap("https://om.example/a.png", "data:image/png;base64,AAAA")),
    "REN-12 no title": ("REN-12", lambda html: re.sub("<title>.*?</title>", "<title> </title>", html)),
    "REN-12 two titles": ("REN-12", add("<h1>Noch einer</h1>")),
    "REN-12 a skipped level": ("REN-12", add("<h3>Zu tief</h3>")),
    "REN-12 small print": ("REN-12", add('<p style="font-size:11px">Klein</p>')),
    "REN-12 too low for a thumb": ("REN-12", add('<p style="line-height:18px"><a href="https://om.example/impressum">Weg</a></p>')),
    "REN-12 hier": ("REN-12", swap(">Wegweiser</a>", ">hier</a>")),
    "REN-12 a link without words": ("REN-12", swap(">Wegweiser</a>", "></a>")),
    "REN-12 a link one cannot see": (
        "REN-12",
        add('<p>Siehe <a href="https://om.example/impressum" style="text-decoration:none">dort</a> nach</p>'),
    ),
    "REN-14 a script": ("REN-14", add("<script>1</script>")),
    "REN-14 a form": ("REN-14", add("<form></form>")),
    "REN-14 a frame": ("REN-14", add('<iframe title="x"></iframe>')),
    "REN-14 a handler": ("REN-14", swap("<h1 ", '<h1 onclick="x()" ')),
    "REN-14 position": ("REN-14", swap('<h1 style="', '<h1 style="position:absolute;')),
    "REN-14 a sheet from elsewhere": ("REN-14", swap("</title>", '</title><link rel="stylesheet" href="https://a.example/b.css">')),
    "REN-14 an import": ("REN-14", swap("</style>", "@import url('https://a.example/b.css');</style>")),
    "REN-14 a web font": ("REN-14", swap("</style>", "@font-face{font-family:x;src:url('https://a.example/x.woff')}</style>")),
    "REN-16 not encrypted": ("REN-16", swap("https://haus.example/wegweiser", "http://haus.example/wegweiser")),
    "REN-16 a shortener": ("REN-16", swap("https://haus.example/wegweiser", "https://bit.ly/wegweiser")),
    "REN-16 shows one host, leads to another": ("REN-16", swap(">Wegweiser</a>", ">www.andere.example</a>")),
    "REN-16 shows one mailbox, writes to another": (
        "REN-16",
        swap(">r.ahlers@hwk-lindenau.example</a>", ">r.berg@hwk-lindenau.example</a>"),
    ),
    "REN-02 flex": ("REN-02", swap('<h1 style="', '<h1 style="display:flex;')),
    "REN-02 a shadow": ("REN-02", swap('<h1 style="', '<h1 style="box-shadow:0 1px 2px #14222e;')),
    "REN-02 a picture most cannot draw": ("REN-02", swap("a.png", "a.avif")),
    "LAW-15 no imprint": (
        "LAW-15",
        lambda html: html.replace("https://om.example/impressum", "https://om.example/x").replace("Gartenweg 2", ""),
    ),
    "UNS-14 no way out": ("UNS-14", swap("https://om.example/u/abc", "https://om.example/web")),
    "MSG-11 a link more": (
        "MSG-11",
        add('<p>Und <a href="https://haus.example/mehr" style="color:#0b5d5e">Weiteres im Haus</a> lesen</p>'),
    ),
    "MSG-11 a paragraph more": ("MSG-11", add("<p>Wortreich schildern wir nebenbei allerhand Überraschendes, Kurioses, Fragwürdiges.</p>")),
}


@pytest.mark.parametrize(("rule", "spoil"), STRUCTURE.values(), ids=STRUCTURE)
def test_a_fault_in_the_html_is_an_error_under_its_rule(clean: Rendered, rule: str, spoil: Spoil) -> None:
    assert (rule, False) in rules(dataclasses.replace(clean, html=spoil(clean.html)))


PRE = "Ein Gespräch am Gartenzaun ersetzt drei Rundschreiben."
FIELDS = {
    "LAW-16 an answer": ("LAW-16", False, {"subject": "Re: Ihr Besuch"}),
    "LAW-16 an answer in German": ("LAW-16", False, {"subject": "AW: Ihr Besuch"}),
    "LAW-16 a forwarded mail": ("LAW-16", False, {"subject": "WG: Ihr Besuch"}),
    "LAW-16 a running matter": ("LAW-16", False, {"subject": "Ihre Anfrage"}),
    "LAW-16 a talk that never was": ("LAW-16", False, {"subject": "Wie besprochen: der Termin"}),
    "LAW-16 the reader's name": ("LAW-16", True, {"subject": "Ömer Weiß, ein Wort"}),
    "REN-13 repeats the subject": ("REN-13", False, {"subject": PRE}),
    "REN-13 too short": ("REN-13", True, {"preheader": "Ein Gespräch"}),
    "REN-13 elsewhere": ("REN-13", False, {"preheader": "Etwas ganz anderes, das im Brief gar nicht vorn steht."}),
}


@pytest.mark.parametrize(("rule", "is_warning", "changes"), FIELDS.values(), ids=FIELDS)
def test_a_fault_around_the_html(clean: Rendered, rule: str, is_warning: bool, changes: dict[str, object]) -> None:
    assert (rule, is_warning) in rules(dataclasses.replace(clean, **changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("rule", "part"),
    [
        ("UNS-14", "Abmelden: https://om.example/u/abc"),
        ("MSG-11", "https://haus.example/wegweiser?seite=2&teil=3"),
        ("MSG-11", "Rufen Sie *eine* Person an."),
        ("LAW-15", "Impressum: https://om.example/impressum"),
    ],
)
def test_msg_11_what_is_missing_in_the_text_part(clean: Rendered, rule: str, part: str) -> None:
    assert part in clean.text
    text = clean.text.replace(part, "").replace("Verein Beispiel, Gartenweg 2, 50667 Köln", "")
    if "Rufen" in part:
        text = text.replace("„Ich frage eben nach und sage Ihnen bis Donnerstag Bescheid.“", "")
    assert (rule, False) in rules(dataclasses.replace(clean, text=text))


def test_msg_11_a_link_only_the_text_part_has(clean: Rendered) -> None:
    assert ("MSG-11", False) in rules(dataclasses.replace(clean, text=f"{clean.text}\nhttps://haus.example/geheim\n"))


@pytest.mark.parametrize("markup", ["Eins &amp; zwei", "Eins&nbsp;zwei", "<strong>Eins</strong>", "Eins<br />zwei", "&#8211;"])
def test_msg_11_the_text_part_holds_no_html(clean: Rendered, markup: str) -> None:
    assert rules(dataclasses.replace(clean, text=f"{clean.text}\n{markup}\n")) == [("MSG-11", False)]
    assert rules(dataclasses.replace(clean, text=f"{clean.text}\n<https://om.example/impressum> R&D; 1 < 2\n")) == []


def test_law_16_the_letter_says_who_speaks(clean: Rendered) -> None:
    assert ("LAW-16", False) in rules(dataclasses.replace(clean, om_name="Verein der Unsichtbaren"))


@pytest.mark.parametrize(("size", "found"), [(89_900, []), (90_100, [("REN-01", True)]), (100_100, [("REN-01", False)])])
def test_ren_01_size_warns_at_90_kb_and_fails_at_100(clean: Rendered, size: int, found: list[tuple[str, bool]]) -> None:
    filler = "<!--" + "x" * (size - len(clean.html.encode()) - 7) + "-->"
    html = clean.html.replace("</body>", f"{filler}</body>")
    assert len(html.encode()) == size
    assert rules(dataclasses.replace(clean, html=html)) == found


def test_ren_01_the_foot_stands_before_the_line_at_which_gmail_cuts(clean: Rendered) -> None:
    html = clean.html.replace("<body", "<!--" + "x" * 100_000 + "--><body")
    assert {rule for rule, _ in rules(dataclasses.replace(clean, html=html))} == {"REN-01", "UNS-14", "LAW-15"}


def test_ren_11_pictures_with_hardly_a_word(clean: Rendered) -> None:
    html = re.sub("<body.*</body>", f'<body><div lang="de" dir="ltr"><h1>Hallo</h1>{PICTURE}</div></body>', clean.html, flags=re.DOTALL)
    assert any("with pictures off" in each.text for each in lint(dataclasses.replace(clean, html=html)))


def test_ren_12_two_links_with_equal_words_are_a_warning(clean: Rendered) -> None:
    link = '<a href="https://om.example/impressum" style="color:#0b5d5e">Wegweiser</a>'
    html = clean.html.replace(">Wegweiser</a>", f">Wegweiser</a> im {link}", 1)
    assert rules(dataclasses.replace(clean, html=html)) == [("REN-12", True)]


def test_ren_13_the_blanks_after_the_preheader_are_silent(clean: Rendered) -> None:
    html = clean.html.replace('<span aria-hidden="true">&#847;', "<span>&#847;", 1).replace(
        '<span aria-hidden="true">\u034f', "<span>\u034f", 1
    )
    assert html != clean.html
    assert ("REN-13", False) in rules(dataclasses.replace(clean, html=html))


def test_a_finding_quotes_the_words_it_is_about(clean: Rendered) -> None:
    [found] = [
        each for each in lint(dataclasses.replace(clean, html=clean.html.replace(">Wegweiser<", ">hier<"))) if each.rule_id == "REN-12"
    ]
    assert (found.near, found.is_warning) == ("hier", False)


def test_ren_14_a_block_is_looked_at_again_after_the_sanitiser(given: Given) -> None:
    """What the sanitiser takes away may be what made it readable; what a whole letter has is not asked for."""
    source = LETTER.replace("Guten Tag {{ contact.full_name }}", "{{ contact.greeting }}")
    edition = make_edition(dataclasses.replace(given(source), purpose=Purpose.pack))
    fragment = make_snippet(edition.html.chunks[0]).decode("ascii")
    assert lint_fragment(fragment) == []
    spoilt = {
        "REN-08": fragment.replace(' aria-hidden="true"', ""),
        "REN-10": fragment.replace(' role="presentation"', ""),
        "REN-12": fragment.replace(">Wegweiser<", ">hier<"),
        "REN-02": fragment.replace('<h1 style="', '<h1 style="filter:blur(1px);'),
    }
    for rule, changed in spoilt.items():
        assert changed != fragment, rule
        assert {each.rule_id for each in lint_fragment(changed)} == {rule}


def test_large_text_may_be_fainter_as_wcag_says(clean: Rendered) -> None:
    html = clean.html.replace("</h1>", '</h1><p style="color:#7c7c7c;background:#fefefe;font-size:24px">Groß</p>', 1)
    assert [each.text for each in lint(dataclasses.replace(clean, html=html)) if "(light)" in each.text] == []


ODD = st.text(alphabet="0123456789 -.%#:;()[]{}!'/@<>&,apxremschwißé\u00ad\u202e", max_size=20)
TAGS = st.sampled_from(["a", "img", "table", "th", "td", "h1", "h3", "p", "style", "div", "br", "meta", "blockquote", "svg"])
ATTRIBUTES = st.sampled_from(["style", "href", "src", "width", "bgcolor", "color", "role", "alt", "class", "name", "aria-hidden"])
STYLES = st.builds(
    "{}:{}".format,
    st.sampled_from(["color", "background", "font-size", "line-height", "font-weight", "display", "padding", "width", "border-left"]),
    ODD | st.sampled_from(["#12345", "rgba(1,2)", "url(x", "calc(1px +", "2em", "1e9px", "-3px", "bold", "currentColor", "transparent"]),
)
ELEMENTS = st.builds(
    lambda tag, name, value, text: f'<{tag} {name}="{value}">{text}' + ("" if tag in ("br", "img") else f"</{tag}>"),
    TAGS,
    ATTRIBUTES,
    ODD | STYLES | st.sampled_from(["https://[x", "mailto:", "#", "http://a.example:99999999/"]),
    ODD,
)


@pytest.mark.slow
@always(st.lists(ELEMENTS | ODD, max_size=8), ODD)
def test_sec_16_whatever_stands_in_a_letter_is_judged_never_stumbled_over(parts: list[str], text: str) -> None:
    """Broken HTML, CSS and addresses are findings, not errors of ours; and the same letter is judged the same twice."""
    letter = Rendered(text, text, f"<html><head>{parts[:1]}</head><body>{''.join(parts)}</body></html>", text, "OM", ("x",), "y", "z")
    assert lint(letter) == lint(letter) != []
    lint_fragment("".join(parts))


@pytest.mark.slow
@pytest.mark.parametrize(
    "part",
    ["a.a-" * 12_000, "@a" * 25_000, "&" * 50_000, "<table>" * 250, "(" * 20_000, "https://" * 6_000],
    ids=["dots", "ats", "entities", "tables", "brackets", "schemes"],
)
def test_sec_16_nothing_takes_long_however_odd_it_is(part: str) -> None:
    start = time.process_time()
    link = f"<a href='https://x.example/{part}' style='{part}'>{part}</a>"
    lint(Rendered("Betreff", "Vorspann", f"<body>{link}{part}</body>", part, "OM"))
    assert time.process_time() - start < 2


def test_ren_14_elements_without_end_inside_each_other(clean: Rendered) -> None:
    deep = "<div>" * 3_000 + "</div>" * 3_000
    assert rules(dataclasses.replace(clean, html=clean.html.replace("</h1>", f"</h1>{deep}", 1))) == [("REN-14", False)]


def test_a_subject_with_a_slot_is_judged_as_the_reader_sees_it(given: Given, values: dict[str, str]) -> None:
    head = HEAD.replace('subject = "Der kurze Weg zum Nachbarhaus"', 'subject = "{{ contact.full_name }}, ein Wort"')
    edition = make_edition(given(head + "Guten Tag,\n\nein Satz."))
    letter = Rendered(show_subject(edition, values), "", show_html(edition, values), show_text(edition, values), "OM", reader="Ömer Weiß")
    assert ("LAW-16", True) in rules(letter)
