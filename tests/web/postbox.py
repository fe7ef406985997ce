"""Letters as they arrived, and the links in them as paths of our pages."""

from __future__ import annotations

import email
import re
import time
from email.message import EmailMessage
from email.policy import default

from om_campaigns.compose.links import Door, make_token
from tests.journeys.workspace import Workspace

BASE_URL = "https://briefe.om-probe.de"


def letters(workspace: Workspace, to: str = "") -> list[EmailMessage]:
    """What went out to an address that begins so, in order; what the pages send at this moment is waited for."""
    settled_by = time.monotonic() + 10
    while workspace.ask("SELECT id FROM message WHERE state IN ('claimed', 'sending')") and time.monotonic() < settled_by:
        time.sleep(0.02)
    found = [email.message_from_bytes(content, policy=default) for _, content in workspace.transport.letters]
    return [each for each in found if str(each["To"]).find(to) >= 0]  # type: ignore[misc]


def body(letter: EmailMessage) -> str:
    part = letter.get_body(("plain",))
    assert part is not None
    return str(part.get_content())


def path_of(letter: EmailMessage, door: str) -> str:
    """The path of one door's link in the text of a letter."""
    found = re.search(rf"{re.escape(BASE_URL)}(/{door}/[\w.-]+)", body(letter))
    assert found, body(letter)
    return found[1]


def one_click_path(letter: EmailMessage) -> str:
    found = re.fullmatch(rf"<{re.escape(BASE_URL)}(/one-click/[\w.-]+)>", str(letter["List-Unsubscribe"]))
    assert found, letter["List-Unsubscribe"]
    return found[1]


def token_of(workspace: Workspace, door: Door, address: str, organisation: str, mailing_list: str = "wir-gedanke") -> str:
    """A genuine token without sending a letter first."""
    ((ref,),) = workspace.ask("SELECT ref FROM address WHERE address = :address", address=address)
    ((house,),) = workspace.ask("SELECT public_id FROM organisation WHERE slug = :slug", slug=organisation)
    return make_token(workspace.app.keyring, door, ref, house, mailing_list)
