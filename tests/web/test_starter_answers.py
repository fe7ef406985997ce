"""The starter keeps what its letters promise: after an answer only what fits, without one everything; who helps near a house."""

from __future__ import annotations

import shutil
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path

import httpx2 as httpx
import pytest

from om_campaigns import store
from om_campaigns.audience.vocabulary import Sender
from om_campaigns.compose.edition import Purpose
from om_campaigns.compose.library import LetterKey
from om_campaigns.letters.owed_editions import open_library
from om_campaigns.reader.tokens import make_form_key
from tests.journeys.workspace import LOOK, Workspace, local
from tests.web.postbox import BASE_URL, letters, path_of

pytestmark = pytest.mark.slow

QUESTION = "Ihre Wir-Möglichkeiten auf einer Seite"
ALL = ["a1", "a2", "a3", "a4", "a5", "a6"]
CHOSEN: dict[str, list[list[str]]] = {
    "hwk-westerfurt": [["use"]],
    "hwk-lechmoos": [["shape"]],
    "pz-elbwiesen": [["refer"]],
    "agv-lechmoos": [["use"], []],  # taken back
}
"""House → what it ticks, one answer after the other; every other house says nothing."""


@pytest.fixture
def workspace(tmp_path: Path, database: str) -> Workspace:
    """The starter as it is shipped, with everything in it."""
    settings = f'[web]\nbase_url = "{BASE_URL}"\n[sender]\nimprint = "OM, Hauptstraße 1, 10115 Berlin"\n'
    made = Workspace(tmp_path / "ws", database=database, settings=settings)
    for name in ("templates", "audiences"):
        shutil.copytree(LOOK.parent / name, made.folder / name, dirs_exist_ok=True)
    made.take()
    made.publish()
    return made


def say(workspace: Workspace, client: httpx.Client, house: str, letter: EmailMessage) -> None:
    path = path_of(letter, "antwort")
    for chosen in CHOSEN[house]:
        key = make_form_key(workspace.app, "antwort", path.rpartition("/")[2], workspace.now)
        assert client.post(path, data={"formular": key, "auswahl": chosen}).status_code == 200


def test_a3_whoever_chose_gets_only_what_fits_and_nobody_else_misses_anything(workspace: Workspace, client: httpx.Client) -> None:
    workspace.walk(local("2027-02-08"), pause=timedelta(days=7))
    asked = {each.organisation: each.to for each in workspace.ledger("wir-gedanke", status="sent") if each.step == "a3"}
    assert set(CHOSEN) < set(asked), "and at least one that says nothing"
    for house in CHOSEN:
        (letter,) = [each for each in letters(workspace, asked[house]) if each["Subject"] == QUESTION]
        say(workspace, client, house, letter)
    workspace.walk(local("2027-04-16"), pause=timedelta(days=7))

    got = {house: sorted({each.step for each in workspace.ledger("wir-gedanke", status="sent") if each.organisation == house})
           for house in asked}  # fmt: skip
    assert got.pop("hwk-westerfurt") == ["a1", "a2", "a3", "a4", "a6"], "checks are what counts: no question about other networks"
    assert got.pop("hwk-lechmoos") == ["a1", "a2", "a3", "a5", "a6"], "to take part is what counts: nothing to hand on"
    assert got == dict.fromkeys(got, ALL), "the others get everything"
    assert {"pz-elbwiesen", "agv-lechmoos"} < set(got)
    skipped = {(each.organisation, each.step, each.reason) for each in workspace.ledger("wir-gedanke", status="skipped")}
    assert {("hwk-westerfurt", "a5", "no_variant"), ("hwk-lechmoos", "a4", "no_variant")} <= skipped

    packs = {each.organisation for each in workspace.ledger("fuenf-gedanken") if each.at <= "2027-04-16"}
    assert "hwk-westerfurt" in packs
    assert "hwk-lechmoos" not in packs, "nor packs for advisers, for this half year"


def test_a3_the_letter_and_its_page_say_so(workspace: Workspace, client: httpx.Client) -> None:
    workspace.walk(local("2027-01-28"), pause=timedelta(days=7))
    letter = next(each for each in letters(workspace) if each["Subject"] == QUESTION)
    told = letter.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    assert "nur noch Material, das dazu passt" in " ".join(told.split())
    assert "Teil 3 von 6" in told
    assert "Ohne Kreuz bekommen Sie weiter alles" in client.get(path_of(letter, "antwort")).text


@pytest.mark.parametrize(("house", "place"), [("ihk-morgental", "07"), ("ihk-morgental-rebstadt", "07882"), ("kh-ahornfeld", "05882")])
def test_r6_a_letter_leads_to_who_helps_near_its_house(workspace: Workspace, client: httpx.Client, house: str, place: str) -> None:
    """Also of a house with few neighbours, and of one that works in two counties without a district around them."""
    ((house_id, campaign_id, version_id),) = workspace.ask(
        "SELECT o.id, c.id, c.latest_version_id FROM organisation o, campaign c WHERE o.slug = :slug AND c.name = 'fuenf-gedanken'",
        slug=house,
    )
    key = LetterKey(campaign_id, version_id, "b2", "", "de", house_id, Sender.home, 0, Purpose.pack)
    with store.read(workspace.app.engine) as session:
        region = open_library(workspace.app, session, counts=False).given(key).context["region"]
    assert region["page"] == f"{BASE_URL}/wer-hilft/{place}"
    assert region["name"] != "Deutschland"
    assert region["contacts"]
    assert "<h2>Vor Ort</h2>" in client.get(f"/wer-hilft/{place}").text
