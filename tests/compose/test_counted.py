"""Counted links: one address per readers and target, in every part of a letter, and only what may be counted (FWD-15, LAW-11)."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st

from om_campaigns.compose.building import make_edition, make_edition_id
from om_campaigns.compose.counted import Counting, find_countable, host_of, may_link, put_into_html, put_into_text
from om_campaigns.compose.edition import Edition, Purpose, show_html, show_text
from om_campaigns.compose.pack import Format, PackText, make_files
from tests.compose.sample_letter import LETTER, Given, letter

HOUSE = Counting("https://briefe.om.example", 7, "n1", "", "de", False, 3)
GUIDE = "https://haus.example/wegweiser?seite=2&teil=3"
FIND = "https://haus.example/finden"


def test_fwd_15_text_and_html_carry_the_same_counted_links_and_no_target(given: Given, values: dict[str, str]) -> None:
    edition = make_edition(replace(given(LETTER), counting=HOUSE))
    html, text = show_html(edition, values).replace("&amp;", "&"), show_text(edition, values)
    assert edition.targets == (GUIDE, FIND)
    for target in edition.targets:
        assert html.count(HOUSE.url(target)) == text.count(HOUSE.url(target)) == 1
        assert target not in html + text
        assert HOUSE.url(target).endswith("/haus.example")  # whoever reads the address sees where it leads


def test_law_11_an_address_is_the_same_for_all_readers_of_a_house_and_another_for_every_other(given: Given) -> None:
    others = [
        replace(HOUSE, organisation_id=4),
        replace(HOUSE, organisation_id=0),
        replace(HOUSE, step="n2"),
        replace(HOUSE, variant="nah"),
        replace(HOUSE, version_id=8),
        replace(HOUSE, is_pack=True),
    ]
    assert len({each.ref(GUIDE) for each in (HOUSE, *others)} | {HOUSE.ref(FIND)}) == len(others) + 2
    one, other = (make_edition(replace(given(LETTER), counting=HOUSE)) for _ in range(2))
    assert one == other
    assert make_edition_id(replace(given(LETTER), counting=others[0])) != one.id != make_edition_id(given(LETTER))


def test_an_edition_comes_back_with_its_targets(given: Given) -> None:
    for counting in (HOUSE, None):
        edition = make_edition(replace(given(LETTER), counting=counting))
        assert Edition.from_bytes(edition.to_bytes()) == edition


def test_fwd_01_every_file_of_a_pack_passes_with_counted_links(given: Given) -> None:
    """``make_files`` reads each file again and raises for whatever must not be forwarded."""
    counting = replace(HOUSE, is_pack=True)
    text = LETTER.replace("{{ contact.full_name }}", "alle")
    edition = make_edition(replace(given(text), purpose=Purpose.pack, counting=counting))
    files = make_files(PackText(edition, "Titel", "hwk-lindenau", "HWK Lindenau", date(2027, 1, 5)))
    for form in (Format.html, Format.text, Format.markdown, Format.snippet):
        body = files[{"html": "weiterleiten.html", "text": "weiterleiten.txt", "markdown": "baustein.md", "snippet": "baustein.html"}[form]]
        assert counting.ref(GUIDE).encode() in body
        assert b"haus.example/wegweiser" not in body


LEFT_ALONE = {
    "shown as an address (REN-16)": f'<a href="{FIND}" style="x">https://haus.example/finden</a>',
    "a mail": '<a href="mailto:a@haus.example">Mail</a>',
    "somebody's name in it": '<a href="https://bank.example@evil.example/">Bank</a>',
    "a script": '<a href="javascript:alert(1)">x</a>',
    "a backslash": '<a href="https://a.example\\\\evil.example">x</a>',
    "without a host": '<a href="https:///finden">x</a>',
    "a look-alike": '<a href="https://hаus.example%2F@evil">x</a>',
}


@pytest.mark.parametrize("body", LEFT_ALONE.values(), ids=LEFT_ALONE)
def test_sec_07_what_is_no_plain_link_to_the_web_is_left_alone(body: str) -> None:
    assert find_countable(body) == []


def test_a_personal_link_is_never_counted(given: Given) -> None:
    body = "Guten Tag,\n\n[Takt ändern]({{ links.preferences }}) oder [mehr](https://haus.example/mehr).\n"
    edition = make_edition(replace(given(letter(body)), counting=HOUSE))
    assert edition.targets == ("https://haus.example/mehr", FIND)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"Mehr: {FIND}.", f"Mehr: {HOUSE.url(FIND)}."),
        (f"(siehe {FIND}), dann", f"(siehe {HOUSE.url(FIND)}), dann"),
        (f"[Wort]({FIND})!", f"[Wort]({HOUSE.url(FIND)})!"),
        (f"<{FIND}>", f"<{HOUSE.url(FIND)}>"),
        (f"{FIND}/weiter", f"{FIND}/weiter"),
        (f"{FIND}?a=1", f"{FIND}?a=1"),
    ],
)
def test_in_text_only_the_whole_address_is_replaced(text: str, expected: str) -> None:
    assert put_into_text(text, {FIND: HOUSE.url(FIND)}) == expected


@drawn(st.text(alphabet="ab /:.?&=<>\"'()hts", max_size=60))
def test_no_text_breaks_it(text: str) -> None:
    assert put_into_text(text, {}) == text
    assert put_into_html(text, {}) == text
    assert all(host_of(each) for each in find_countable(f'<a href="{text}">x</a>'))


def test_what_holds_no_link_is_the_same_for_everybody() -> None:
    assert may_link("Mehr im [Heft](https://haus.example).", "")
    assert may_link("[Hilfe]({{ toolkit.url }})")
    assert not may_link("Nur Worte. [Post](mailto:a@haus.example)")


def test_refs_are_short_and_have_one_spelling() -> None:
    assert re.fullmatch("[0-9a-f]{20}", HOUSE.ref(GUIDE))
