"""Pictures of a text: shown from our own pages, taken along in packs, refused by name where they could not be shown.

FWD-06, REN-11; SEC-05 and SEC-15 for what is no picture or would unpack to a huge one.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import random
import re
import zlib
from datetime import date

import pytest

from om_campaigns.compose.building import find_shown, make_edition, make_edition_id
from om_campaigns.compose.edition import EditionInput, Purpose
from om_campaigns.compose.overlay import OwnBlock
from om_campaigns.compose.pack import PackText, make_files
from om_campaigns.compose.pictures import encode
from om_campaigns.compose.step_checks import check_step
from om_campaigns.errors import ProblemsError
from tests.compose.sample_letter import HEAD, Given
from tests.drawing import draw

ALT = "Zwei Menschen am Gartenzaun"
TEXT = f"""Guten Tag,

![{ALT}](bilder/zaun.png)

::: say {{#say editable}}
![Ein Tor](tor.jpg){{width=274}}

„Kommen Sie herein.“
:::
"""


FENCE, GATE = draw(1096, 400), draw(800, 600, "JPEG")
FILES = {"campaigns/nachbarn/bilder/zaun.png": encode(FENCE), "campaigns/nachbarn/tor.jpg": encode(GATE)}


def with_pictures(given: Given, body: str = TEXT, files: dict[str, str] | None = None, purpose: Purpose = Purpose.pack) -> EditionInput:
    plain = given(HEAD + body, files=FILES if files is None else files, sender="home")
    return dataclasses.replace(plain, purpose=purpose, pages="https://om.example")


def test_ren_11_a_picture_comes_from_our_pages_with_words_and_size(given: Given) -> None:
    """Its own size, no wider than the column, or the width the text asks for, in its own proportions."""
    made = make_edition(with_pictures(given))
    html = made.html.chunks[0]
    shown = re.findall(r'<img [^>]*src="https://om\.example/bild/[0-9a-f]{20}/([a-z.]+)"[^>]*>', html)
    assert shown == ["zaun.png", "tor.jpg"]
    for facts in (f'alt="{ALT}" width="548" height="200"', 'alt="Ein Tor" width="274" height="206"'):
        assert facts in html
    assert ALT in made.text.chunks[0]
    assert "/bild/" not in made.text.chunks[0]
    assert re.search(rf"!\[{ALT}\]\(https://om\.example/bild/[0-9a-f]{{20}}/zaun\.png\)", made.markdown)


def test_another_picture_is_another_letter_with_another_address(given: Given) -> None:
    """What was loaded once may be kept for good: the address names the content."""
    first, same = with_pictures(given), with_pictures(given)
    other = with_pictures(given, files=FILES | {"campaigns/nachbarn/tor.jpg": encode(draw(800, 600))})
    assert make_edition_id(first) == make_edition_id(same) != make_edition_id(other)
    urls = [{each.name: each.url for each in find_shown(made)} for made in (first, other)]
    assert urls[0]["zaun.png"] == urls[1]["zaun.png"]
    assert urls[0]["tor.jpg"] != urls[1]["tor.jpg"]


def make_text(made: EditionInput) -> PackText:
    return PackText(make_edition(made), "Titel", "hwk", "HWK", date(2027, 1, 4), pictures=tuple(find_shown(made)))


def test_fwd_06_a_pack_takes_its_pictures_along_and_the_manifest_says_what_they_show(given: Given) -> None:
    files = make_files(make_text(with_pictures(given)))
    assert (files["bilder/zaun.png"], files["bilder/tor.jpg"]) == (FENCE, GATE)
    facts = json.loads(files["manifest.json"])["pictures"]
    assert [(each["name"], each["alt"], each["width"], each["height"]) for each in facts] == [
        ("bilder/zaun.png", ALT, 548, 200),
        ("bilder/tor.jpg", "Ein Tor", 274, 206),
    ]
    for each in facts:
        assert each["sha256"] == hashlib.sha256(files[each["name"]]).hexdigest()
        assert each["url"].encode() in files["weiterleiten.html"]


def test_what_a_house_says_instead_has_no_picture(given: Given) -> None:
    own = OwnBlock("say", "replaced", "", "„Unser Tor steht offen.“")
    files = make_files(make_text(dataclasses.replace(with_pictures(given), overlay=(own,))))
    assert [name for name in files if name.startswith("bilder/")] == ["bilder/zaun.png"]


def bomb() -> bytes:
    """A PNG of 30,000 × 30,000 pixels in few bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    head = (30_000).to_bytes(4, "big") * 2 + bytes([8, 0, 0, 0, 0])
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("source", "content", "rule", "told"),
    [
        ("fehlt.png", None, "picture", "there is no picture 'campaigns/nachbarn/fehlt.png'"),
        ("../fremd/zaun.png", None, "picture", "there is no picture 'campaigns/fremd/zaun.png'"),
        ("plan.svg", b"<svg/>", "FWD-06", "save it as .png or .jpg"),
        ("zaun%20neu.png", FENCE, "picture", "cannot stand in a web address"),
        ("kaputt.png", FENCE[:60], "picture", "cannot be read as a PNG or JPEG picture"),
        ("text.jpg", b"kein Bild", "picture", "cannot be read as a PNG or JPEG picture"),
        ("riesig.png", bomb(), "picture", "more than 12,000,000 pixels; make it smaller"),
        ("schwer.png", FENCE + random.Random(1).randbytes(500_000), "picture", "at most 500,000"),
    ],
    ids=["missing", "elsewhere", "svg", "odd name", "cut", "no picture", "bomb", "heavy"],
)
def test_sec_15_what_cannot_be_shown_is_named_with_its_place(
    given: Given, source: str, content: bytes | None, rule: str, told: str
) -> None:
    files = {} if content is None else {f"campaigns/nachbarn/{source}": encode(content)}
    made = with_pictures(given, f"Guten Tag,\n\nein Blick ![Ein Zaun]({source}) hinaus.\n", files)
    [problem] = [each for each in check_step(made.files, made.step_path) if each.rule_id in (rule, "picture")]
    assert (problem.line, problem.column, problem.rule_id) == (9, 11, rule)
    assert told in problem.text
    with pytest.raises(ProblemsError):
        make_edition(made)


def test_ren_11_a_picture_without_words_is_refused(given: Given) -> None:
    made = with_pictures(given, "![](tor.jpg)\n")
    assert [(each.rule_id, each.line) for each in check_step(made.files, made.step_path)] == [("REN-11", 7)]


def test_a_picture_of_the_web_stays_where_it_is(given: Given) -> None:
    made = make_edition(with_pictures(given, "![Ein Zaun](https://haus.example/zaun.png){width=520 height=200}\n", {}))
    assert 'src="https://haus.example/zaun.png" alt="Ein Zaun" width="520" height="200"' in made.html.chunks[0]
