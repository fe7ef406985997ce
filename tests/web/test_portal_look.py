"""A house chooses its colour and its logo: seen at once in letters, packs and pages, and nowhere else (REN-08, REN-11)."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from om_campaigns.compose.brand import contrast, load_brand
from om_campaigns.compose.forwardable import find_personal
from om_campaigns.compose.own_look import Logo, OwnLook, lay_over
from tests.cli.shell import om
from tests.compose.test_logos import REFUSED, picture
from tests.journeys.test_cascade import taker, to_house
from tests.journeys.workspace import Workspace, local
from tests.web.portal_help import form_key, make_client, open_office, sign_in
from tests.web.test_portal_house import save

pytestmark = pytest.mark.slow

STARTER = Path(__file__).parents[2] / "templates/brands"
HERE = "/portal/haus/dach"
BERRY = "#9c1f4a"


@pytest.fixture
def office(tmp_path: Path, database: str) -> Workspace:
    return open_office(tmp_path, database=database)


@pytest.fixture
def doris(office: Workspace) -> TestClient:
    return sign_in(office, "doris@dach.example")


def choose(client: TestClient, colour: str, *, house: str = "dach") -> str:
    """Save the settings of a house with this colour; the page that follows."""
    return save(client, f"/portal/haus/{house}", farbe=colour)


def show(client: TestClient, logo: bytes | None, **fields: str) -> str:
    """Hand in a logo."""
    path = f"{HERE}/logo"
    files = {"logo": ("logo.png", logo, "image/png")} if logo is not None else {}
    answer = client.post(path, data={"formular": form_key(client.get(path).text), **fields}, files=files)
    return client.get(answer.headers["location"]).text if answer.status_code == 303 else answer.text


def logo_of(office: Workspace, house: str = "dach") -> str:
    return str(json.loads(om(office.folder, "org", "show", house, "--format", "json").out)["own_logo"])


def test_colour_and_logo_stand_in_the_next_letter_and_in_every_form_of_the_pack(office: Workspace, doris: TestClient) -> None:
    assert "Gespeichert" in choose(doris, BERRY)
    assert "Gespeichert" in show(doris, picture())
    name = logo_of(office)
    url = f"https://om.example/bild/{name}"
    office.walk(local("2027-01-20"))
    (ready,) = [mail for mail in to_house(office, "dach") if "b2" in str(mail["Subject"]) and mail.get_content_type() != "multipart/mixed"]
    html = ready.get_body(("html",)).get_content()  # type: ignore[union-attr]
    (image,) = re.findall(r"<img[^>]*>", html)
    assert url in image
    assert 'alt="Dachverband Nord"' in image
    assert 'width="240"' in image
    assert 'height="60"' in image or "height:60px" in image
    assert BERRY in html
    client = sign_in(office, "doris@dach.example")
    pack = re.search(r'"(/portal/pakete/[a-z2-7]+)[?"][^>]*>reihe b2', client.get("/portal").text)[1]  # type: ignore[index]
    for file in ("weiterleiten.html", "weiterleiten.eml"):
        content = client.get(f"{pack}/dateien/{file}").content
        assert name.encode() in content.replace(b"=\r\n", b"")
        assert find_personal(file, content) == []
    (other,) = [mail for mail in to_house(office, "fremd") if "b2" in str(mail["Subject"]) and mail.get_content_type() != "multipart/mixed"]
    assert BERRY not in other.get_body(("html",)).get_content()  # type: ignore[union-attr]


def test_an_office_has_the_look_of_its_house_until_it_has_one_of_its_own(office: Workspace, doris: TestClient) -> None:
    choose(doris, BERRY)
    tim = sign_in(office, "tim@tal.example")
    style = re.search(r'href="([^"]+\.css[^"]*)"', tim.get("/portal").text)[1]  # type: ignore[index]
    assert BERRY in tim.get(style).text
    choose(tim, "#1f4e8c", house="tal")
    style = re.search(r'href="([^"]+\.css[^"]*)"', tim.get("/portal").text)[1]  # type: ignore[index]
    assert "#1f4e8c" in tim.get(style).text
    stranger = sign_in(office, "frieda@fremd.example")
    style = re.search(r'href="([^"]+\.css[^"]*)"', stranger.get("/portal").text)[1]  # type: ignore[index]
    assert BERRY not in stranger.get(style).text


def test_it_is_logged_once_and_shown(office: Workspace, doris: TestClient) -> None:
    choose(doris, "9C1F4A")
    show(doris, picture())
    before = office.dump()
    choose(doris, BERRY)
    page = show(doris, picture())
    assert office.dump() == before
    assert f'src="/bild/{logo_of(office)}" width="240" height="60"' in page
    log = office.ask("SELECT field, old, new, origin, actor FROM change WHERE field LIKE 'own_%' ORDER BY field")
    assert log == [
        ("own_accent", None, BERRY, "partner", "Doris Dach"),
        ("own_logo", None, logo_of(office), "partner", "Doris Dach"),
    ]
    show(doris, None, ohne="ja")
    assert logo_of(office) == ""
    assert office.count("logo") == 1, "letters that were sent show it still (FWD-06)"


def test_the_picture_is_for_everybody_and_for_ever(office: Workspace, doris: TestClient) -> None:
    show(doris, picture())
    answer = make_client(office).get(f"/bild/{logo_of(office)}")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "set-cookie" not in answer.headers
    for wrong in ("0123456789abcdef0123/dach.png", "dach.png", "..%2fconfig.toml"):
        assert make_client(office).get(f"/bild/{wrong}").status_code == 404


def test_ren_08_a_colour_that_cannot_be_read_is_refused_with_the_nearest_that_can(office: Workspace, doris: TestClient) -> None:
    before = office.dump()
    page = choose(doris, "#ffd400")
    assert "Ihr Kontrast ist 1,4 : 1" in page
    assert office.dump() == before
    better = re.search(r"die geht, ist (#[0-9a-f]{6})", page)[1]  # type: ignore[index]
    assert contrast(better, "#fffefc") >= 4.5
    assert "Gespeichert" in choose(doris, better)
    assert "# mit sechs Zeichen" in choose(doris, "rot")


@pytest.mark.parametrize("name", ["svg", "a wall", "cut off", "too heavy"])
def test_what_is_no_logo_changes_nothing(office: Workspace, doris: TestClient, name: str) -> None:
    before = office.dump()
    assert "kein Bild, das wir nehmen können" in show(doris, REFUSED[name])
    assert office.dump() == before


def test_no_file_is_not_called_saved(office: Workspace, doris: TestClient) -> None:
    before = office.dump()
    for page in (show(doris, None), show(doris, b"")):
        assert "wählen Sie bitte zuerst" in page.replace("Wählen", "wählen")
        assert "Gespeichert." not in page
    assert office.dump() == before


def test_a_body_that_is_far_too_large_is_not_read(doris: TestClient) -> None:
    data = {"formular": form_key(doris.get(HERE).text)}
    too_large = doris.post(f"{HERE}/logo", data=data, files={"logo": ("x.png", bytes(2_000_000), "image/png")})
    assert (too_large.status_code, "höchstens 1 MB" in too_large.text) == (413, True)


def test_a_file_that_names_another_brand_has_the_last_word(office: Workspace, doris: TestClient) -> None:
    choose(doris, BERRY)
    row = {"name": "Dachverband Nord", "forward_policy": "edit_allowed"}
    office.houses(taker("dach", **row))
    assert json.loads(om(office.folder, "org", "show", "dach", "--format", "json").out)["own_accent"] == BERRY, "the same file again"
    office.write("templates/brands/neu.toml", 'format = 1\nname = "Neu"\n[colours]\naccent = "#1f4e8c"\n')
    office.take(organisations="slug;brand\ndach;neu\n")
    assert json.loads(om(office.folder, "org", "show", "dach", "--format", "json").out)["own_accent"] == ""


def test_a_look_that_no_longer_goes_with_the_brand_below_keeps_no_letter_back() -> None:
    """OM changes its paper after a house has chosen: its letters fall back to the brand of its file, and are written."""
    brands = {"brands/om.toml": (STARTER / "om.toml").read_text(encoding="utf-8")}
    look = OwnLook("haus-abc", 'Haus "Ä"', "", BERRY, Logo("0123456789abcdef0123/dach.png", 240, 60))
    key, files = lay_over(brands, look, "https://om.example")
    assert load_brand(files, key).logo["alt"] == 'Haus "Ä"'
    assert load_brand(files, key).colours["accent"] == BERRY
    assert lay_over(brands, replace(look, accent="#ffd400"), "https://om.example") == ("om", brands)
    key, files = lay_over(brands, replace(look, over="gibt-es-nicht"), "http://localhost:8000")
    assert load_brand(files, key).logo == {}, "letters take pictures over https only (FWD-06)"
