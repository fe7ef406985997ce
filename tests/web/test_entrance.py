"""The way into the portal: a link to the stored address, once; a session that ends; nothing told to strangers."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from om_campaigns.partner.signing_in import PER_ADDRESS
from tests.journeys.workspace import Workspace, person
from tests.web.portal_help import ask, form_key, link_of, make_client, notices, open_office, sign_in

pytestmark = pytest.mark.slow


@pytest.fixture
def office(tmp_path: Path) -> Workspace:
    return open_office(tmp_path)


def test_msg_18_the_link_comes_as_a_service_mail(office: Workspace) -> None:
    touches = office.count("touch")
    (mail,) = ask(make_client(office), office, "Doris@Dach.example")
    assert mail["To"] == "doris@dach.example"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert [name for name in mail if name.lower().startswith(("list-", "precedence", "feedback-id"))] == []
    assert "Dachverband Nord" in mail.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    assert "6. Januar 2027, 11:00 Uhr" in mail.get_body(("plain",)).get_content().replace("\u00a0", " ")  # type: ignore[union-attr]
    assert office.ask("SELECT kind, state FROM message ORDER BY id DESC LIMIT 1") == [("service", "sent")]
    assert office.count("touch") == touches, "a service mail is no touch and counts against no cap"
    before = office.dump()
    office.tick()
    assert len(notices(office)) == 1, "a tick sends it no second time"
    assert office.dump()["notice"] == before["notice"]


def test_a_link_is_used_by_its_button_once(office: Workspace) -> None:
    client = make_client(office)
    link = link_of(ask(client, office, "doris@dach.example")[0])
    for _ in range(3):
        page = client.get(link)  # a scanner opens it as often as it likes (UNS-04)
        assert "Guten Tag Doris Dach" in page.text
        assert "set-cookie" not in page.headers
    assert client.post(link).status_code == 200, "without the hidden field the page is shown again"
    assert client.cookies.get("__Secure-portal") is None
    entered = client.post(link, data={"formular": form_key(client.get(link).text)})
    cookie = entered.headers["set-cookie"]
    assert (entered.status_code, entered.headers["location"]) == (303, "/portal")
    for part in ("__Secure-portal=", "HttpOnly", "Path=/portal", "SameSite=lax", "Secure"):
        assert part in cookie
    assert "Max-Age" not in cookie
    assert "expires" not in cookie.lower()
    assert "Ihre Pakete" in client.get("/portal").text
    again = make_client(office)
    assert "Dieser Link öffnet nichts mehr" in again.get(link).text
    key = form_key(page.text)
    assert "Dieser Link öffnet nichts mehr" in again.post(link, data={"formular": key}).text
    assert "Ihre Pakete" not in again.get("/portal").text


def test_a_link_is_short_lived(office: Workspace) -> None:
    client = make_client(office)
    link = link_of(ask(client, office, "doris@dach.example")[0])
    key = form_key(client.get(link).text)
    office.now += timedelta(minutes=61)
    assert "Dieser Link öffnet nichts mehr" in client.get(link).text
    assert "Dieser Link öffnet nichts mehr" in client.post(link, data={"formular": key}).text


def test_sec_08_forged_links_open_nothing(office: Workspace) -> None:
    client = make_client(office)
    link = link_of(ask(client, office, "doris@dach.example")[0])
    other = link_of(ask(client, office, "tim@tal.example")[0])
    head, signature, payload = link.rsplit(".", 2)
    key = form_key(client.get(link).text)
    for forged in (
        f"{head}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}.{payload}",
        link[:-1],
        f"{head}.{signature}.{other.rsplit('.', 1)[1]}",
        link.replace(".", ".k0.", 1),
    ):
        for answer in (client.get(forged), client.post(forged, data={"formular": key})):
            assert "Dieser Link öffnet nichts mehr" in answer.text
            assert "Doris" not in answer.text
    assert client.get(link.replace("/portal/anmelden/", "/paket/")).status_code == 404
    assert "Ihre Pakete" not in client.get("/portal").text


def test_sec_09_strangers_get_the_same_answer_and_no_mail(office: Workspace) -> None:
    client = make_client(office)
    key = form_key(client.get("/portal").text)
    known = client.post("/portal/anmelden", data={"formular": key, "adresse": "doris@dach.example"})
    for address in ("bernd@tal.example", "niemand@nirgends.example", "kein@", "a@b"):
        unknown = client.post("/portal/anmelden", data={"formular": key, "adresse": address})
        assert (known.status_code, known.content, dict(known.headers)) == (unknown.status_code, unknown.content, dict(unknown.headers))
    client.app.state.site.errands.finish(10)  # type: ignore[attr-defined]
    assert [mail["To"] for mail in notices(office)] == ["doris@dach.example"]


def test_a_page_that_lay_open_for_too_long_says_so_and_keeps_what_was_typed(office: Workspace) -> None:
    client = make_client(office)
    key = form_key(client.get("/portal").text)
    office.now += timedelta(days=1, minutes=1)
    answer = client.post("/portal/anmelden", data={"formular": key, "adresse": "doris@dach.example"})
    assert answer.status_code == 400
    assert "Die Seite war zu lange offen" in answer.text
    assert 'value="doris@dach.example"' in answer.text
    assert notices(office) == []
    assert client.post("/portal/anmelden", data={"formular": form_key(answer.text), "adresse": "doris@dach.example"}).status_code == 200


def test_an_empty_field_is_explained(office: Workspace) -> None:
    client = make_client(office)
    answer = client.post("/portal/anmelden", data={"formular": form_key(client.get("/portal").text), "adresse": ""})
    assert answer.status_code == 422
    assert 'aria-invalid="true"' in answer.text
    assert 'href="#adresse"' in answer.text


def test_sec_11_nobody_is_flooded(office: Workspace) -> None:
    client = make_client(office)
    for number in range(PER_ADDRESS + 3):
        spelling = "doris@dach.example" if number % 2 else "DORIS@dach.example"
        ask(client, office, spelling)
    assert len(notices(office)) == PER_ADDRESS
    assert ask(client, office, "tim@tal.example"), "others still get theirs"
    office.now += timedelta(hours=1)
    assert ask(client, office, "doris@dach.example"), "and an hour later so does she"
    assert not office.ask("SELECT 1 FROM pace WHERE subject LIKE '%doris%'"), "the counter does not say whom it counts"


def test_sessions_end(office: Workspace) -> None:
    one, two, other = (sign_in(office, each) for each in ("doris@dach.example", "doris@dach.example", "tim@tal.example"))
    stolen = dict(one.cookies)
    left = one.post("/portal/abmelden", data={"formular": form_key(one.get("/portal").text)})
    assert left.headers["location"] == "/portal?gut=abgemeldet"
    assert "Sie sind abgemeldet" in one.get("/portal?gut=abgemeldet").text
    thief = make_client(office)
    thief.cookies.update(stolen)
    assert "Ihre Pakete" not in thief.get("/portal").text, "the key itself is worth nothing any more"
    assert "Ihre Pakete" in two.get("/portal").text
    two.post("/portal/abmelden", data={"formular": form_key(two.get("/portal").text), "ueberall": "ja"})
    assert "Ihre Pakete" not in two.get("/portal").text
    assert "Ihre Pakete" in other.get("/portal").text
    office.now += timedelta(hours=12)
    assert "Ihre Pakete" not in other.get("/portal").text


def test_what_is_sent_after_the_session_has_ended_is_said_to_be_lost(office: Workspace) -> None:
    client = sign_in(office, "doris@dach.example")
    key = form_key(client.get("/portal").text)
    office.now += timedelta(hours=12, minutes=1)
    for path in ("/portal/haus/dach", "/portal/pakete/aaaaaaaaaaaaaaaa"):
        answer = client.post(path, data={"formular": key, "berater": "80"})
        assert "nicht bei uns angekommen" in client.get(answer.headers["location"]).text
        assert "nicht bei uns angekommen" not in client.get(client.get(path).headers["location"]).text, "who only looks has lost nothing"


def test_signing_out_everywhere_ends_the_other_sessions(office: Workspace) -> None:
    one, two = (sign_in(office, "doris@dach.example") for _ in range(2))
    one.post("/portal/abmelden", data={"formular": form_key(one.get("/portal").text), "ueberall": "ja"})
    assert "Ihre Pakete" not in two.get("/portal").text


def test_a_role_that_ends_ends_here_at_once(office: Workspace) -> None:
    client = sign_in(office, "tim@tal.example")
    office.people(person("Tim Tal", "tal", email="tim@tal.example", roles="adviser"))
    assert "Ihre Pakete" not in client.get("/portal").text
    assert ask(make_client(office), office, "tim@tal.example") == []


def test_sec_12_a_form_of_another_session_does_nothing(office: Workspace) -> None:
    doris, tim = sign_in(office, "doris@dach.example"), sign_in(office, "tim@tal.example")
    key = form_key(doris.get("/portal").text)
    assert tim.post("/portal/abmelden", data={"formular": key}).status_code == 400
    assert tim.post("/portal/abmelden").status_code == 400
    assert "Ihre Pakete" in tim.get("/portal").text


def test_the_database_holds_nothing_that_opens_a_door(office: Workspace) -> None:
    client = make_client(office)
    link = link_of(ask(client, office, "doris@dach.example")[0])
    signed = sign_in(office, "tim@tal.example")
    whole = str(office.dump())
    assert link.rsplit("/", 1)[1] not in whole
    assert signed.cookies.get("__Secure-portal") not in whole


def test_a_halt_stops_links_too_and_they_leave_afterwards(office: Workspace) -> None:
    office.do("UPDATE instance SET halted_at = :now", now=office.bound(office.now))
    assert ask(make_client(office), office, "doris@dach.example") == []
    office.do("UPDATE instance SET halted_at = NULL")
    office.tick()
    assert len(notices(office)) == 1


def test_a_link_that_is_of_no_use_any_more_is_not_mailed(office: Workspace) -> None:
    office.do("UPDATE instance SET halted_at = :now", now=office.bound(office.now))
    ask(make_client(office), office, "doris@dach.example")
    office.do("UPDATE instance SET halted_at = NULL")
    office.now += timedelta(hours=2)
    office.tick()
    assert notices(office) == []
