"""Own words: what an overlay does to a text, when a decision is wanted, how files are read, and what is never passed on."""

from __future__ import annotations

import dataclasses
import random
import re
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from om_campaigns.campaign.packs import make_code
from om_campaigns.compose.building import make_edition, make_edition_id
from om_campaigns.compose.edition import EditionInput, Purpose
from om_campaigns.compose.markdown import Block, convert
from om_campaigns.compose.overlay import TOP, Conflict, OverlayKind, OwnBlock, apply_overlay, find_conflict
from om_campaigns.compose.overlay_text import MAX_LENGTH, check_words, read_overlay

BODY = """{{ contact.greeting }},

ein Gedanke.

::: offers {#offers locked}
Checks.
:::

::: sagen {#say frei}
„Wollen wir?“
:::

::: do {#do wahlfrei}
- Notieren
- Anrufen
:::

Zum Schluss.
"""


def blocks_of(body: str = BODY, first_line: int = 7) -> dict[str, Block]:
    return {block.id: block for block in convert(body, "b1.de.md", first_line, "de").blocks}


def said(block: str, text: str = "Eigenes.", kind: OverlayKind = OverlayKind.replaced, after: str = "") -> OwnBlock:
    base = blocks_of().get(block)
    return OwnBlock(block, kind, text, base.hash if base else "", after)


def applied(*own: OwnBlock) -> str:
    return apply_overlay(BODY, 7, list(blocks_of().values()), own)


def test_a_block_is_replaced_whole_and_all_else_stays_byte_for_byte() -> None:
    assert applied(said("say", "„Ich rufe an.“")) == BODY.replace("„Wollen wir?“", "„Ich rufe an.“")
    assert applied() == BODY


def test_only_an_optional_block_can_be_left_out() -> None:
    assert applied(said("do", "", OverlayKind.hidden)) == BODY.replace("::: do {#do wahlfrei}\n- Notieren\n- Anrufen\n:::\n", "")
    assert applied(said("say", "", OverlayKind.hidden)) == BODY
    assert applied(said("offers", "Anderes.")) == BODY, "locked words are the same in every house"


def test_own_blocks_stand_where_they_were_put_in_the_order_they_were_said() -> None:
    made = applied(
        said("vorab", "Liebe Kolleginnen!", OverlayKind.added, TOP),
        said("eins", "Eins.", OverlayKind.added, "say"),
        said("zwei", "Zwei.", OverlayKind.added, "say"),
        said("ende", "Gruß", OverlayKind.added),
        said("verirrt", "Verirrt.", OverlayKind.added, "weg"),
    )
    places = [made.index(word) for word in ("Liebe", "{{ contact", "Wollen", "Eins.", "Zwei.", "::: do", "Schluss", "Gruß", "Verirrt")]
    assert places == sorted(places)


@pytest.mark.parametrize(
    ("own", "body", "conflict"),
    [
        (said("say"), BODY, Conflict.none),
        (said("say"), BODY.replace("Wollen wir?", "Wollen wir jetzt?"), Conflict.changed),
        (said("say"), BODY.replace("#say frei", "#say locked"), Conflict.locked),
        (said("do", "", OverlayKind.hidden), BODY.replace("wahlfrei", "frei"), Conflict.locked),
        (said("say"), BODY.replace("sagen {#say", "sagen {#other"), Conflict.gone),
        (said("eigen", kind=OverlayKind.added), "ohne Bausteine", Conflict.none),
    ],
)
def test_a_decision_is_wanted_only_where_om_changed_that_block(own: OwnBlock, body: str, conflict: Conflict) -> None:
    assert find_conflict(own, blocks_of(body)) is conflict


def test_a_change_elsewhere_or_of_blanks_is_no_conflict() -> None:
    body = BODY.replace("ein Gedanke.", "ein anderer Gedanke.").replace("„Wollen wir?“", "„Wollen wir?“   \n")
    assert find_conflict(said("say"), blocks_of(body)) is Conflict.none


def test_every_form_of_a_pack_says_the_own_words(request: pytest.FixtureRequest) -> None:
    make: Callable[..., EditionInput] = request.getfixturevalue("given")
    head = '+++\nsubject = "Ein Thema"\npreheader = "Ein Gedanke, den zwei Häuser gehen."\nideas = ["use_potentials"]\n'
    head += 'call_to_action = { text = "Einen Satz sagen", how = "offline" }\n+++\n'
    plain = dataclasses.replace(make(head + BODY), purpose=Purpose.pack)
    own = dataclasses.replace(plain, overlay=(said("say", "„Ich rufe & melde mich – bis *Freitag*.“"),))
    edition = make_edition(own)
    assert "Ich rufe &amp; melde mich" in edition.html.chunks[0]
    assert "<em>Freitag</em>" in edition.html.chunks[0]
    assert "Ich rufe & melde mich" in edition.text.chunks[0]
    assert "::: say\n„Ich rufe & melde mich" in edition.markdown
    assert "Wollen wir" not in edition.html.chunks[0] + edition.text.chunks[0] + edition.markdown
    assert edition.slots == ()
    assert make_edition_id(own) != make_edition_id(plain)


FILE = """\
::: sagen
„Ich rufe an.“

Zweiter Absatz.
:::

::: do auslassen
:::

::: eigen termin nach sagen
Am **Montag** treffen wir uns.
:::

::: own vorab top
Liebe Kolleginnen und Kollegen!
:::
"""


def test_a_file_replaces_leaves_out_and_adds_in_either_language() -> None:
    written, problems = read_overlay(FILE.replace("\n", "\r\n"), "b1.de.md")
    assert problems == []
    assert [(each.own.block, each.own.kind.value, each.own.after, each.line) for each in written] == [
        ("say", "replaced", "", 1),
        ("do", "hidden", "", 7),
        ("termin", "added", "say", 10),
        ("vorab", "added", TOP, 14),
    ]
    assert written[0].own.text == "„Ich rufe an.“\n\nZweiter Absatz."


@pytest.mark.parametrize(
    ("source", "line", "told"),
    [
        ("Guten Tag,\n\n::: say\nA\n:::\n", 1, "outside of a block"),
        ("::: say\nA\n", 1, "never closed"),
        ("::: say {#say}\nA\n:::\n", 1, "is no block head"),
        ("::: say\nA\n:::\n::: sagen\nB\n:::\n", 4, "stands here twice"),
        ("::: say hide\nA\n:::\n", 1, "has no text"),
        ("::: say\n\n:::\n", 2, "no words in this block"),
        ("::: say\nA\n\n{{ org.name }}\n:::\n", 4, "sign of templates"),
        ("\n::: say\n\n\n{{ org.name }}\n:::\n", 5, "sign of templates"),
    ],
)
def test_what_is_wrong_in_a_file_is_named_with_its_line(source: str, line: int, told: str) -> None:
    _, problems = read_overlay(source, "b1.de.md")
    assert [(each.file, each.line) for each in problems] == [("b1.de.md", line)]
    assert told in problems[0].text


CODE = make_code(random.Random(7).choice)
TOKEN = "https://om.example/abmelden/k1.AAAAAAAAAAAAAAAAAAAAAAAA.adresse.haus.reihe"


@pytest.mark.parametrize(
    ("words", "rule", "told"),
    [
        ("Mehr [hier](javascript:alert(1)).", "own-words", "is no address a reader could open"),
        ("Mehr [hier](<DATA:text/html,x>).", "own-words", "is no address a reader could open"),
        ("Hallo\n\nvon {{ contact.full_name }}", "SEC-03", "sign of templates"),
        ("{% include 'x' %}", "SEC-03", "sign of templates"),
        ("Ein <script>alert(1)</script>", "own-words", "is HTML"),
        ('<img src="https://z.example/p.gif">', "own-words", "is HTML"),
        ("<!-- versteckt -->", "own-words", "is HTML"),
        (f"[Hier]({TOKEN})", "FWD-01", "personal link"),
        ("[Abmelden](https://om.example/abmelden/x)", "FWD-01", "for one reader"),
        ("[Lesen](https://haus.example/?utm_source=om)", "FWD-01", "counts its readers"),
        ("[Lesen](https://haus.example/?a=1&mc_eid=f00)", "FWD-01", "counts its readers"),
        ("https://eur01.safelinks.protection.outlook.com/?url=https%3A%2F%2Fhaus.example", "FWD-01", "through somebody else"),
        ("[Mehr](https://bit.ly/abc)", "REN-16", "a shortened link"),
        ("![Bild](https://z.example/p.gif)", "own-words", "is a picture"),
        (f"Antworten Sie mit {CODE}.", "FWD-02", "the code"),
        ("So leiten Sie weiter: klicken", "FWD-02", "the note"),
        ("gesendet an m…@haus.example", "FWD-01", "masked address"),
        ("::: do\nAnderes", "own-words", "begins or ends a block"),
        ("```\nCode\n```", "own-words", "program code"),
        ("- ::: do", "own-words", "begins or ends a block"),
        ("Text\n\n#", "own-words", "no words"),
        ("Text\n\n    eingerückt", "own-words", "left edge"),
        ("[OM]: https://andere.example", "own-words", "would change OM's words"),
        ("[Klick](http://haus.example)", "own-words", "begin with https://"),
        ("Text \u202egnurhelrev", "SEC-01", "U+202E"),
        ("Text\x07", "SEC-01", "U+0007"),
        ("x" * (MAX_LENGTH + 1), "own-words", "at most"),
        ("  \n ", "own-words", "no words"),
    ],
)
def test_fwd_01_what_must_not_be_passed_on_is_refused_with_its_place(words: str, rule: str, told: str) -> None:
    problems = check_words(words, "Haus amt", 5)
    assert any(each.rule_id == rule and told in each.text for each in problems), problems
    assert all(each.line >= 5 for each in problems)


def test_the_place_is_exact() -> None:
    [problem] = check_words("Erste Zeile\n\nzweite mit <b>fett</b>"[:-4], "Haus amt", 1)
    assert (problem.line, problem.column) == (3, 12)


@pytest.mark.parametrize(
    "words",
    [
        "Betriebe mit < 5 Beschäftigten & mehr als 3 % – „so“ {einfach}.",
        "Mail an <mailto:a.amt@amt.example> oder <https://amt.example/seite?thema=1>",
        "[Seite](https://amt.example/termine)\n\n1. Erstens\n2. Zweitens\n\n> Zitat\n\n---\n\n### Kopf",
        "A * B # C _d_ ::",
    ],
)
def test_ordinary_words_pass(words: str) -> None:
    assert check_words(words, "Haus amt", 1) == []


PIECES = st.sampled_from(
    [
        *("Text", "ä", " ", "  ", "    ", "\n", "\n\n", "\t", "\u00a0", "„", "“", "…", "- ", "1. ", "> ", "# ", "---", "===", "|", "||-|"),
        *("*", "**", "_", "`", "``", "~~~", "```", "[", "]", "(", ")", "[a](https://x.example)", "[OM]", ": ", "<", ">", "\\", "!"),
        *("<https://x.example>", "&amp;", "{", "}", "{{", "%}", ":::", "::: do", "+++"),
    ]
)
INSIDE = "{{% set content %}}((?:(?!endset).)*){{% endset %}}{{% include 'blocks/{}.mjml'"


@settings(max_examples=400, deadline=None)
@given(words=st.lists(PIECES, max_size=14).map("".join), kind=st.sampled_from([OverlayKind.replaced, OverlayKind.added]))
def test_whatever_a_house_writes_om_s_own_blocks_stay_as_they_are(words: str, kind: OverlayKind) -> None:
    """What passes the check changes only the house's block: all others keep their words, their look and their place."""
    if check_words(words, "Haus amt", 1):
        return
    own = said("say", words) if kind is OverlayKind.replaced else said("eigen", words, kind, "offers")
    made = convert(applied(own), "b1.de.md", 7, "de")
    plain = convert(BODY, "b1.de.md", 7, "de")
    kept = {block.id: block.hash for block in made.blocks if block.id != "say"}
    assert kept == {block.id: block.hash for block in plain.blocks if block.id != "say"}
    for name in ("offers", "do"):
        before, after = (re.findall(INSIDE.format(name), each.html.text, re.DOTALL) for each in (plain, made))
        assert len(before) == 1
        assert after == before
    assert made.html.text.rstrip().endswith("Zum Schluss.</p>\n{% endset %}{% include 'blocks/text.mjml' %}")
