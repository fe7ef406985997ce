"""Pictures of letters outside: from the text of a step to the reader's screen and the partner's own newsletter (FWD-06, REN-11)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from om_campaigns.partner.packs import write_pack
from tests.drawing import draw
from tests.journeys.test_cascade import BODY, letters
from tests.journeys.workspace import Workspace, local
from tests.web.portal_help import make_client, open_office, sign_in

pytestmark = pytest.mark.slow

FENCE = draw(1096, 400)
FOREIGN = "![Ein Tor](https://haus.example/tor.png){width=52 height=20}"
SHOWN = "![Zwei Menschen am Gartenzaun](bilder/zaun.png)"


@pytest.fixture
def office(tmp_path: Path) -> Workspace:
    """The second step of the series has a picture."""
    made = open_office(tmp_path)
    picture = made.folder / "templates/campaigns/reihe/bilder/zaun.png"
    picture.parent.mkdir()
    picture.write_bytes(FENCE)
    made.text("reihe", "b2.de", BODY.replace("::: offers", f"{SHOWN}\n\n{FOREIGN}\n\n::: offers"))
    made.publish()
    made.walk(local("2027-01-20"))
    made.now = local("2027-01-21", "10:00")
    return made


def urls_in_letters(office: Workspace) -> set[str]:
    found = set()
    for mail in letters(office):
        html = mail.get_body(("html",))
        found |= set(re.findall(r'src="https://om\.example(/bild/[^"]+)"', html.get_content())) if html else set()
    return found


def test_fwd_06_a_reader_loads_the_picture_without_a_cookie_and_keeps_it(office: Workspace) -> None:
    [url] = urls_in_letters(office)
    client = make_client(office)
    answer = client.get(url)
    assert (answer.status_code, answer.content, answer.headers["content-type"]) == (200, FENCE, "image/png")
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "set-cookie" not in answer.headers
    key, name = url.split("/")[2:]
    other = "0" if key[0] != "0" else "1"
    for wrong in (
        f"/bild/{other}{key[1:]}/{name}",
        f"/bild/{key}/anders.png",
        f"/bild/{key}/b2.de.md",
        f"/bild/{key[:-1]}/{name}",
        "/bild/%25/x",
    ):
        assert client.get(wrong).status_code == 404, wrong


def test_fwd_06_the_picture_of_an_old_letter_stays_when_the_text_shows_another(office: Workspace) -> None:
    [old] = urls_in_letters(office)
    (office.folder / "templates/campaigns/reihe/bilder/zaun.png").write_bytes(draw(600, 300))
    assert office.publish() == [True]
    assert make_client(office).get(old).content == FENCE


def test_a_partner_takes_the_picture_with_its_words(office: Workspace, tmp_path: Path) -> None:
    """The page for passing on says what it shows; staff and partner get the same file."""
    [(public_id, code)] = office.ask(
        "SELECT p.public_id, p.code FROM pack p JOIN organisation o ON o.id = p.organisation_id WHERE o.slug = 'dach' AND p.step = 'b2'"
    )
    doris = sign_in(office, "doris@dach.example")
    path = f"/portal/pakete/{public_id}"
    page = doris.get(f"{path}/weitergeben").text
    assert "Zwei Menschen am Gartenzaun" in page
    assert f"{path}/dateien/zaun.png" in page
    answer = doris.get(f"{path}/dateien/zaun.png")
    assert (answer.content, answer.headers["content-type"]) == (FENCE, "image/png")
    written = write_pack(office.app, code, tmp_path / "out", office.now)
    assert (tmp_path / "out/bilder/zaun.png") in written
    assert (tmp_path / "out/bilder/zaun.png").read_bytes() == FENCE


def test_fwd_04_the_archive_shows_our_pictures_and_no_others(office: Workspace) -> None:
    """LAW-25: looking at the archive tells no other host of the reader."""
    page = make_client(office).get("/archiv/wir-gedanke/reihe/b2").text
    [url] = urls_in_letters(office)
    assert f'<img src="https://om.example{url}" alt="Zwei Menschen am Gartenzaun">' in page
    assert page.count("<img") == 1
    assert "haus.example" not in page
