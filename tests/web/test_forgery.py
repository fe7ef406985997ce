"""SEC-08 at every door that takes a token: whatever was not signed for it, word for word, gets one generic answer and changes nothing."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

import pytest
from starlette.testclient import TestClient

from om_campaigns import store
from om_campaigns.audience.access import make_link
from om_campaigns.audience.addresses import normalise
from om_campaigns.compose.links import Door, make_token
from om_campaigns.keyring import Keyring
from om_campaigns.partner.signing_in import ENTRANCE, LINK_LIFE
from om_campaigns.reader import opting_in
from om_campaigns.reader.preferences import FIELDS
from om_campaigns.reader.tokens import is_form_key, make_form_key
from om_campaigns.service_letters import CONFIRM, MANAGE
from om_campaigns.web.application import ROUTERS, make_application
from tests.journeys.workspace import LOOK, Workspace
from tests.web.portal_help import open_office, sign_in

pytestmark = pytest.mark.slow

CLICK = {"List-Unsubscribe": "One-Click"}
SHOWN = {f"gezeigt-{name}": "" for name in FIELDS}
SAID = (
    {"wunsch": "everything", "takt": "monthly", "name": "X Y", "email": "x@y.example", "tun": "accepted", "stufe": "adviser"}
    | CLICK
    | SHOWN
)


@dataclass(frozen=True)
class Kind:
    """A kind of token: where it is read, for which audience it is signed, what its form's key is about, and its parts."""

    path: str
    audience: str
    purpose: str
    parts: tuple[str, ...]
    is_posted_only: bool = False


KINDS = ("one-click", "abmelden", "einstellungen", "antwort", "paket", "bestaetigen", "verwalten", "portal/anmelden")


@pytest.fixture
def office(tmp_path: Path) -> Workspace:
    """A house with a pack, and a campaign whose letter asks something."""
    office = open_office(tmp_path)
    office.campaign("frage", "a1 day = 400", segment="berater", texts=False)
    shutil.copyfile(LOOK / "campaigns/wir-gedanke/a1.de.md", office.folder / "templates/campaigns/frage/a1.de.md")
    office.publish("frage")
    return office


@pytest.fixture
def kinds(office: Workspace) -> dict[str, Kind]:
    """Every kind, each with parts for which a genuine token opens its door now."""
    ((address, ref),) = office.ask("SELECT id, ref FROM address WHERE address = 'doris@dach.example'")
    ((house,),) = office.ask("SELECT public_id FROM organisation WHERE slug = 'dach'")
    ((pack,),) = office.ask("SELECT p.public_id FROM pack p JOIN organisation o ON o.id = p.organisation_id WHERE o.slug = 'dach'")
    wanted = opting_in.Request(normalise("rosa@neu.example"), "Rosa Neu", "de", None, ("wir-gedanke",), "Ja.", "/anmelden", "")
    with store.write(office.app.engine) as session:
        link = make_link(session, address, office.now, office.now + LINK_LIFE)
        assert opting_in.ask(session, office.app.keyring, wanted, office.now)
    ((opt_in,),) = office.ask("SELECT ref FROM opt_in")
    letter = (ref, house, "wir-gedanke")
    made = {
        "one-click": Kind("/one-click/", Door.one_click, "", letter, is_posted_only=True),
        "abmelden": Kind("/abmelden/", Door.unsubscribe, Door.unsubscribe, letter),
        "einstellungen": Kind("/einstellungen/", Door.preferences, Door.preferences, letter),
        "antwort": Kind("/antwort/", Door.answer, "antwort", (ref, house, "frage", "a1")),
        "paket": Kind("/paket/", Door.pack, "pack", (ref, house, pack)),
        "bestaetigen": Kind("/bestaetigen/", CONFIRM, "bestaetigen", (opt_in,)),
        "verwalten": Kind("/verwalten/", MANAGE, "verwalten", (*letter, str(int(office.now.timestamp() // 60)))),
        "portal/anmelden": Kind("/portal/anmelden/", ENTRANCE, "portal-enter", (link,)),
    }
    assert tuple(made) == KINDS
    return made


def open_pages(office: Workspace, keyring: Keyring | None = None) -> TestClient:
    app = replace(office.app, keyring=keyring) if keyring else office.app
    return TestClient(make_application(app), base_url="https://om.example", follow_redirects=False, raise_server_exceptions=False)


def look(pages: TestClient, kind: Kind, token: str) -> tuple[int, str]:
    """What a token shows; that of a door without a page, what its click answers."""
    path = kind.path + quote(token, safe="")
    answer = pages.post(path, data=CLICK) if kind.is_posted_only else pages.get(path)
    return answer.status_code, answer.text


def press(office: Workspace, pages: TestClient, kind: Kind, token: str) -> tuple[int, str]:
    """What the button behind it does; its form has the key that a page of ours would have given it."""
    key = make_form_key(office.app, kind.purpose, token, office.now) if kind.purpose else ""
    answer = pages.post(kind.path + quote(token, safe=""), data={**SAID, "formular": key})
    return answer.status_code, answer.text


def forge(office: Workspace, kinds: dict[str, Kind], name: str) -> Iterator[str]:
    """Bits flipped, cut, added to, of another audience, another house, person or key, with parts too few or too many."""
    kind, ring = kinds[name], office.app.keyring
    genuine = make_token(ring, kind.audience, *kind.parts)
    for at in range(len(genuine)):
        flipped = genuine[:at] + chr(ord(genuine[at]) ^ (1 << at % 5)) + genuine[at + 1 :]
        yield flipped.replace("/", "_") if flipped.replace("/", "_") != genuine else genuine.swapcase()
    yield from (genuine[:length] for length in range(1, len(genuine), 7))
    yield from (genuine[:-1], genuine + "x", genuine + ".x", f"x{genuine}", f"{genuine} ", genuine.upper(), "x", "ä" * 40, "x" * 390)
    for other in kinds.values():
        if other.audience != kind.audience:
            yield make_token(ring, other.audience, *other.parts)
            yield make_token(ring, other.audience, *kind.parts)
    yield from (make_token(ring, f"inert-{kind.audience}", *kind.parts), make_token(ring, f"form-{kind.audience}", *kind.parts))
    key_id, signature, *_ = genuine.split(".")
    ((house,),) = office.ask("SELECT public_id FROM organisation WHERE slug = 'fremd'")
    ((stranger,),) = office.ask("SELECT ref FROM address WHERE address = 'frieda@fremd.example'")
    for at in range(len(kind.parts)):
        for swapped in (house, stranger, "monatsbrief", "9" * 8):
            yield ".".join((key_id, signature, *kind.parts[:at], swapped, *kind.parts[at + 1 :]))
    yield ".".join(("k9", signature, *kind.parts))
    yield make_token(Keyring("k1", {"k1": b"another secret of 32 bytes......"}), kind.audience, *kind.parts)
    yield make_token(Keyring("k9", {"k9": b"another secret of 32 bytes......"}), kind.audience, *kind.parts)
    yield from (make_token(ring, kind.audience, *kind.parts, "x"), make_token(ring, kind.audience, "a" * 16))


def test_every_door_with_a_token_is_among_them(kinds: dict[str, Kind]) -> None:
    doors = {route.path.split("{")[0] for router in ROUTERS for route in router.routes if "{token}" in route.path}  # type: ignore[attr-defined]
    assert doors == {kind.path for kind in kinds.values()}


@pytest.mark.parametrize("name", KINDS)
def test_sec_08_what_is_forged_gets_one_answer_and_changes_nothing(office: Workspace, kinds: dict[str, Kind], name: str) -> None:
    kind, pages = kinds[name], open_pages(office)
    before = office.dump()
    generic = look(pages, kind, "x")
    forged = list(dict.fromkeys(forge(office, kinds, name)))
    assert len(forged) > 80
    for token in forged:
        assert look(pages, kind, token) == generic, token
        assert press(office, pages, kind, token)[0] in (200, 404), token
        assert "doris" not in press(office, pages, kind, token)[1].casefold(), token
    assert office.dump() == before
    genuine = make_token(office.app.keyring, kind.audience, *kind.parts)
    assert look(pages, kind, genuine) != generic
    assert press(office, pages, kind, genuine)[0] in (200, 204, 303)
    assert office.dump() != before, "the same words, signed, do act"


@pytest.mark.parametrize("name", KINDS)
def test_uns_10_an_old_key_opens_as_long_as_it_is_kept_and_no_longer(office: Workspace, kinds: dict[str, Kind], name: str) -> None:
    kind, old = kinds[name], office.app.keyring
    genuine = make_token(old, kind.audience, *kind.parts)
    new = b"a new secret that has 32 bytes.."
    kept = open_pages(office, Keyring("k2", {**old.secrets, "k2": new}))
    lost = open_pages(office, Keyring("k2", {"k2": new}))
    assert look(lost, kind, genuine) == look(lost, kind, "x")
    assert look(kept, kind, genuine) != look(kept, kind, "x")


def test_sec_12_no_bit_of_a_forms_key_is_without_effect(office: Workspace) -> None:
    key = make_form_key(office.app, "portal", "session", office.now)
    assert is_form_key(office.app, "portal", "session", key, office.now)
    for at in range(len(key)):
        for bit in range(7):
            assert not is_form_key(office.app, "portal", "session", key[:at] + chr(ord(key[at]) ^ (1 << bit)) + key[at + 1 :], office.now)
        assert not is_form_key(office.app, "portal", "session", key[:at], office.now)


def test_sec_08_a_session_is_known_by_its_whole_cookie_only(office: Workspace) -> None:
    signed = sign_in(office, "doris@dach.example")
    ((name, value),) = signed.cookies.items()
    assert "Ihre Pakete" in signed.get("/portal").text
    stranger = open_pages(office)
    flipped = (value[:at] + chr(ord(value[at]) ^ 1) + value[at + 1 :] for at in range(len(value)))
    for forged in (*flipped, *(value[:length] for length in range(len(value))), value + "x", "x" * 5000):
        answer = stranger.get("/portal", headers={"cookie": f"{name}={forged}"})
        assert "Ihre Pakete" not in answer.text, forged
    ((hashed,),) = office.ask("SELECT key_hash FROM entrance_session WHERE ended_at IS NULL")
    assert "Ihre Pakete" not in stranger.get("/portal", headers={"cookie": f"{name}={hashed}"}).text
