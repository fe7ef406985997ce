"""Own words in the portal: what holds is what is passed on, what may not go out is explained in its place, OM's changes are decided."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.journeys.test_cascade import BODY
from tests.journeys.workspace import Workspace
from tests.web.portal_help import form_key, make_client, open_office, sign_in
from tests.web.test_portal_packs import cover_link, pack_of

pytestmark = pytest.mark.slow


@pytest.fixture
def office(tmp_path: Path) -> Workspace:
    return open_office(tmp_path)


@pytest.fixture
def doris(office: Workspace) -> TestClient:
    return sign_in(office, "doris@dach.example")


def change(client: TestClient, path: str, page: str = "", **fields: str) -> str:
    """Sends a form of the page about a block, as it was opened or as it is now."""
    block = fields.get("block", "")
    page = page or client.get(f"{path}/worte").text + client.get(f"{path}/worte?bearbeiten={block or 'neu'}").text
    marks = re.findall(rf'name="gezeigt-block" value="(\w*)">\s*<input type="hidden" name="block" value="{block}"', page)
    answer = client.post(f"{path}/worte", data={"formular": form_key(page), **({"gezeigt-block": marks[-1]} if marks else {}), **fields})
    return client.get(answer.headers["location"]).text if answer.status_code == 303 else answer.text


def test_a_block_is_said_in_own_words_and_taken_back(office: Workspace, doris: TestClient) -> None:
    path = pack_of(office, "dach")
    page = doris.get(f"{path}/worte").text
    assert "Steht überall gleich" in page
    assert "Wollen wir eine halbe" in page
    assert "Übernommen" in change(doris, path, tun="ersetzen", block="say", worte="„Ich rufe **selbst** an.“\r\n")
    assert "In Ihren Worten" in doris.get(f"{path}/worte").text
    assert "Ich rufe *selbst* an" in doris.get(f"{path}/brief.txt").text
    assert office.ask("SELECT block, kind, origin, actor FROM overlay_change") == [("say", "replaced", "partner", "Doris Dach")]
    before = office.dump()
    change(doris, path, tun="ersetzen", block="say", worte="„Ich rufe **selbst** an.“")
    assert office.dump() == before, "the same words again are none"
    change(doris, path, tun="zurueck", block="say")
    assert "halbe" in doris.get(f"{path}/brief.txt").text


def test_a_second_window_overwrites_no_words_it_has_not_seen(office: Workspace, doris: TestClient) -> None:
    path = pack_of(office, "dach")
    opened = doris.get(f"{path}/worte?bearbeiten=say").text
    change(doris, path, tun="ersetzen", block="say", worte="Satz aus Fenster zwei.")
    page = change(doris, path, opened, tun="ersetzen", block="say", worte="Satz aus Fenster eins.")
    assert "inzwischen jemand anders geändert" in page
    assert "Satz aus Fenster zwei." in page
    assert "Satz aus Fenster eins.</textarea>" in page
    looked = change(doris, path, opened, tun="ansehen", block="say", worte="Satz aus Fenster eins.")
    assert "inzwischen jemand anders" in change(doris, path, looked, tun="ersetzen", block="say", worte="Satz aus Fenster eins.")
    assert office.ask("SELECT text FROM overlay_change") == [("Satz aus Fenster zwei.",)]
    assert "Übernommen" in change(doris, path, page, tun="ersetzen", block="say", worte="Satz aus beiden."), "who has seen it may"
    seen = doris.get(f"{path}/worte").text
    assert "Übernommen" in change(doris, path, tun="ersetzen", block="say", worte="Ein dritter Satz.")
    assert "schon anders entschieden" in change(doris, path, seen, tun="zurueck", block="say")
    assert "Übernommen" in change(doris, path, seen, tun="ersetzen", block="say", worte="Ein dritter Satz."), "the same is no quarrel"


def test_words_for_a_block_that_was_taken_away_meanwhile_are_not_lost(office: Workspace, doris: TestClient) -> None:
    path = pack_of(office, "dach")
    change(doris, path, tun="einfuegen", worte="Ein Termin.")
    opened = doris.get(f"{path}/worte?bearbeiten=own-1").text
    assert "Übernommen" in change(doris, path, tun="zurueck", block="own-1")
    page = change(doris, path, opened, tun="ersetzen", block="own-1", worte="Ein anderer Termin.")
    assert "inzwischen jemand anders geändert" in page
    assert "Ein anderer Termin.</textarea>" in page
    assert office.ask("SELECT text FROM overlay_change WHERE kind = 'added'") == [("Ein Termin.",)]


def test_blocks_are_shown_as_they_are_read_and_looked_at_before_they_hold(office: Workspace, doris: TestClient) -> None:
    path = pack_of(office, "dach")
    change(doris, path, tun="ersetzen", block="say", worte="Ich rufe **selbst** an:\n\n- heute\n- oder morgen")
    page = doris.get(f"{path}/worte").text
    assert "Ich rufe <strong>selbst</strong> an:" in page
    assert "<li>oder morgen</li>" in page
    before = office.dump()
    page = change(doris, path, tun="ansehen", block="say", worte='Ich schreibe *selbst* "bald".')
    assert "So würden es Ihre Beratenden lesen" in page
    assert "Ich schreibe <em>selbst</em> „bald“." in page
    assert "Ich schreibe *selbst* &#34;bald&#34;.</textarea>" in page, "what was typed is there to go on with"
    assert "Zeile 1: Erlaubt sind" in change(doris, path, tun="ansehen", block="say", worte="<b>fett</b>")
    assert "noch keine Worte" in change(doris, path, tun="ansehen", worte=" ")
    page = change(doris, path, tun="ansehen", worte="[Hier](https://dach.example) **mehr**.", nach="say")
    assert '<a href="https://dach.example">Hier</a> <strong>mehr</strong>' in page
    assert office.dump() == before, "looking keeps nothing"


def test_one_block_is_written_at_a_time_so_that_nothing_is_lost(office: Workspace, doris: TestClient) -> None:
    path = pack_of(office, "dach")
    assert "<textarea" not in doris.get(f"{path}/worte").text
    for block in ("say", "do", "neu"):
        page = doris.get(f"{path}/worte?bearbeiten={block}&lang=en").text
        assert page.count("<textarea") == 1
        assert f'id="worte-{block}"' in page
        assert page.count(f'action="{path}/worte?lang=en"') == 1, "no other form could throw away what is typed"
    for block in ("offers", "gibt-es-nicht"):
        assert "<textarea" not in doris.get(f"{path}/worte?bearbeiten={block}").text
    page = change(doris, path, tun="ersetzen", block="do", worte="<b>fett</b>")
    assert page.count("<textarea") == 1
    assert "&lt;b&gt;fett&lt;/b&gt;</textarea>" in page


def test_a_block_is_added_where_it_belongs_and_removed(office: Workspace, doris: TestClient) -> None:
    path = pack_of(office, "dach")
    change(doris, path, tun="einfuegen", worte="Fragen? Doris Dach hilft.", nach="say")
    text = doris.get(f"{path}/brief.txt").text
    assert text.index("halbe") < text.index("Doris Dach hilft") < text.index("Notieren")
    assert "Von Ihnen eingefügt" in doris.get(f"{path}/worte").text
    change(doris, path, tun="ersetzen", block="own-1", worte="Fragen? Vera hilft.")
    assert "Vera hilft" in doris.get(f"{path}/brief.txt").text
    change(doris, path, tun="zurueck", block="own-1")
    assert "hilft" not in doris.get(f"{path}/brief.txt").text


WRONG = (
    ("ersetzen", "say", "", "noch keine Worte"),
    ("ersetzen", "say", "x" * 2001, "höchstens 2.000"),
    ("ersetzen", "say", "Gut.\n\n{{ contact.full_name }}", "Zeile 3: Geschweifte Klammern"),
    ("ersetzen", "say", "[Hier](https://haus.example/?utm_source=x)", "Zeile 1: Hier steht ein Link"),
    ("ersetzen", "say", "Gut.\n\n[Mehr](https://bit.ly/abc)", "Zeile 3: Gekürzte Links"),
    ("ersetzen", "say", "<b>fett</b>", "Zeile 1: Erlaubt sind"),
    ("ersetzen", "say", "![Bild](https://x.example/b.png)", "Erlaubt sind"),
    ("ersetzen", "offers", "Unsere Angebote", "Erlaubt sind"),
    ("weglassen", "do", "", "Erlaubt sind"),
    ("nehmen", "nichts", "", ""),
    ("zaubern", "say", "x", "nicht möglich"),
)


def test_what_may_not_go_out_is_explained_and_changes_nothing(office: Workspace, doris: TestClient) -> None:
    path, before = pack_of(office, "dach"), office.dump()
    for action, block, words, told in WRONG:
        page = change(doris, path, tun=action, block=block, worte=words)
        assert told in page, (action, block, words)
        if words and told and action == "ersetzen" and block == "say":
            assert 'aria-invalid="true"' in page
        assert office.dump() == before, (action, block, words)


def test_r5_both_texts_stand_side_by_side_until_somebody_decides(office: Workspace, doris: TestClient) -> None:
    path = pack_of(office, "dach")
    change(doris, path, tun="ersetzen", block="say", worte="„Unser Satz.“")
    office.text("reihe", "b1.de", BODY.replace("eine halbe", "eine ganze"))
    assert "Bitte entscheiden Sie" not in doris.get(path).text
    office.publish("reihe")
    assert "Bitte entscheiden Sie" in doris.get(path).text, "told where they come to first"
    (told,) = [item for item in doris.get("/portal").text.split("<li>") if "Ansehen und entscheiden" in item]
    assert f'href="{path}/worte"' in told, "in the list at that pack, not at the others"
    page = doris.get(f"{path}/worte").text
    assert "Bitte entscheiden Sie" in page
    assert re.search(r"Ihre Worte.*Unser Satz.*OM jetzt.*eine ganze", page, re.DOTALL)
    assert "Unser Satz" in doris.get(f"{path}/brief.txt").text, "ours hold until then"
    change(doris, path, tun="behalten", block="say")
    assert "Ansehen und entscheiden" not in doris.get("/portal").text
    assert "Bitte entscheiden Sie" not in doris.get(path).text
    assert "Bitte entscheiden Sie" not in doris.get(f"{path}/worte").text
    office.text("reihe", "b1.de", BODY.replace("eine halbe", "eine dritte"))
    office.publish("reihe")
    change(doris, path, tun="nehmen", block="say")
    assert "eine dritte" in doris.get(f"{path}/brief.txt").text


def test_a_second_window_is_told_that_the_other_decided(office: Workspace, doris: TestClient) -> None:
    path, told = pack_of(office, "dach"), "schon anders entschieden"
    for first, second, holds in (("behalten", "nehmen", "Unser Satz"), ("nehmen", "behalten", "eine dritte")):
        change(doris, path, tun="ersetzen", block="say", worte="„Unser Satz.“")
        office.text("reihe", "b1.de", BODY.replace("eine halbe", "eine ganze" if first == "behalten" else "eine dritte"))
        office.publish("reihe")
        assert "Übernommen" in change(doris, path, tun=first, block="say")
        before = office.dump()
        page = change(doris, path, tun=second, block="say")
        assert (told in page, "Übernommen" in page, 'href="#block-say"' in page) == (True, False, True)
        assert holds in doris.get(f"{path}/brief.txt").text
        assert "Übernommen" in change(doris, path, tun=first, block="say"), "the same answer twice is one"
        assert office.dump() == before


def test_a_link_of_a_cover_changes_no_words(office: Workspace) -> None:
    assert make_client(office).get(cover_link(office, "dach") + "/worte").status_code == 404


def test_a_house_that_passes_on_as_it_is_reads_only(office: Workspace, doris: TestClient) -> None:
    office.do("UPDATE organisation SET forward_policy = 'as_is' WHERE slug = 'dach'")
    path, before = pack_of(office, "dach"), office.dump()
    page = doris.get(f"{path}/worte").text
    assert "so weiter, wie sie sind" in page
    assert "Bearbeiten" not in page
    key = form_key(page)
    assert doris.post(f"{path}/worte", data={"formular": key, "tun": "ersetzen", "block": "say", "worte": "x"}).status_code == 422
    assert office.dump() == before
