"""A workspace in which packs went out to houses with offices, and the ways their people come in."""

from __future__ import annotations

import re
from email import message_from_bytes, policy
from email.message import EmailMessage
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from starlette.testclient import TestClient

from om_campaigns.web.application import make_application
from tests.journeys.test_cascade import BODY, series, taker
from tests.journeys.workspace import SQLITE, Workspace, local, person

HTTPS = '[web]\nbase_url = "https://om.example"\n'


@cache
def _prepared(settings: str) -> tuple[Workspace, TemporaryDirectory[str]]:
    folder = TemporaryDirectory()
    return _prepare(Path(folder.name), SQLITE, settings), folder


def open_office(folder: Path, *, database: str = SQLITE, settings: str = HTTPS) -> Workspace:
    """Umbrella *dach* with its office *tal*, and a stranger *fremd*; each has received the first pack of a series."""
    return _prepared(settings)[0].copy(folder) if database == SQLITE else _prepare(folder, database, settings)


def _prepare(folder: Path, database: str, settings: str) -> Workspace:
    office = Workspace(folder, database=database, settings=settings)
    office.houses(
        taker("dach", name="Dachverband Nord", forward_policy="edit_allowed"),
        taker("tal", name="Kammer Tal", parent="dach", forward_policy="edit_allowed"),
        taker("fremd", name="Innung Fremd", language="en", forward_policy="edit_allowed"),
    )
    office.people(
        person("Doris Dach", "dach", email="doris@dach.example"),
        person("Vera Vertretung", "dach", email="vera@dach.example", roles="deputy"),
        person("Tim Tal", "tal", email="tim@tal.example"),
        person("Frieda Fremd", "fremd", email="frieda@fremd.example"),
        person("Bernd Berater", "tal", email="bernd@tal.example", roles="adviser"),
    )
    series(office, text=BODY)
    office.tick(local("2027-01-05"))
    office.now = local("2027-01-06", "10:00")
    return office


def make_client(office: Workspace) -> TestClient:
    """The pages without a network; what they promise is done at once."""
    web = make_application(office.app)
    web.state.site.errands.delay = (0, 0)
    return TestClient(web, base_url="https://om.example", follow_redirects=False, raise_server_exceptions=False)


def form_key(body: str) -> str:
    """The hidden field of the first form of a page."""
    return re.search(r'name="formular" value="([^"]+)"', body)[1]  # type: ignore[index]


def notices(office: Workspace) -> list[EmailMessage]:
    """Service mails that left, the oldest first."""
    mails = [message_from_bytes(content, policy=policy.default) for _, content in office.transport.letters]
    return [mail for mail in mails if mail["Auto-Submitted"]]  # type: ignore[misc]


def ask(client: TestClient, office: Workspace, address: str) -> list[EmailMessage]:
    """Ask for a link as a person does; what was mailed because of it."""
    before = len(notices(office))
    answer = client.post("/portal/anmelden", data={"formular": form_key(client.get("/portal").text), "adresse": address})
    assert answer.status_code == 200
    client.app.state.site.errands.finish(10)  # type: ignore[attr-defined]
    return notices(office)[before:]


def link_of(mail: EmailMessage) -> str:
    """The path of the link in a service mail."""
    text = mail.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    return re.search(r"https://[^/\s]+(/portal/\S+)", text)[1]  # type: ignore[index]


def sign_in(office: Workspace, address: str) -> TestClient:
    """Somebody who came in."""
    client = make_client(office)
    (mail,) = ask(client, office, address)
    link = link_of(mail)
    answer = client.post(link, data={"formular": form_key(client.get(link).text)})
    assert answer.status_code == 303, answer.text
    return client
