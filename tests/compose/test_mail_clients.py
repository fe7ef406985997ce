"""What a partner does with a pack, done by the programs partners have: open the draft, forward the ready mail (FWD-05, FWD-07).

Pictures are written to ``LOOK_PICTURES`` if that names a folder, for people to look at.
"""

from __future__ import annotations

import email
import os
from collections.abc import Callable
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from om_campaigns.compose.message import Head, Letter, Mailbox
from om_campaigns.compose.pack import PackText, make_files
from tests.compose.sample_letter import Given
from tests.compose.test_pack import make_text
from tests.compose.thunderbird import ADDRESS, NAME, is_installed, thunderbird

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not is_installed(), reason="no Thunderbird with a screen of its own: apt-get install thunderbird xvfb"),
]

HOUSES = ["hwk-westerfurt", "krankenkasse-auental"]
LIST = "verteiler@hwk-westerfurt.example"

BOXES = """
() => {
  const sheet = [...document.querySelectorAll("*")].find(each => getComputedStyle(each).maxWidth === "620px" && each.innerText);
  const left = sheet.getBoundingClientRect().left;
  const found = [];
  const walk = document.createTreeWalker(sheet.parentElement, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const text = walk.currentNode.data.replace(/\\s+/g, " ").trim();
    const element = walk.currentNode.parentElement;
    const box = element.getBoundingClientRect();
    if (!text || !box.width) continue;
    const style = getComputedStyle(element);
    found.push([text, Math.round(box.left - left), style.color, style.fontSize, style.fontWeight]);
  }
  return found;
}
"""
"""Every visible text of a letter with where it begins on the sheet, its colour, size and weight."""


@pytest.fixture(params=HOUSES)
def text(request: pytest.FixtureRequest, given: Given) -> PackText:
    return make_text(given, brand=request.param)


def ready_mail(text: PackText) -> bytes:
    """As it reaches the contact: transport headers, no name, no list."""
    head = Head(
        date=datetime(2027, 1, 5, 9, tzinfo=UTC),
        message_id="<ready@om.example>",
        sender=Mailbox("redaktion@om.example", "Offensive Mittelstand"),
        to=Mailbox(ADDRESS),
        seed="s",
    )
    return Letter(text.edition).write(head, ())


def parsed(content: bytes) -> EmailMessage:
    return email.message_from_bytes(content, policy=default)  # type: ignore[return-value]


def html_of(content: bytes) -> str:
    body = parsed(content).get_body(("html",))
    assert body is not None
    return str(body.get_content())


def boxes(browser: Browser, document: str) -> list[Any]:
    page = browser.new_page(viewport={"width": 800, "height": 1000})
    page.set_content(document)
    found: list[Any] = page.evaluate(BOXES)
    page.close()
    return found


def assert_same_layout(browser: Browser, before: str, after: str) -> None:
    """Every word in its order; from the title on each at its place on the sheet, in its colour, size and weight.

    Above the title two columns become two lines: what stands in the head of a page is lost on the way.
    """
    old, new = boxes(browser, before), boxes(browser, after)
    assert [each[0] for each in new] == [each[0] for each in old]
    title = next(place for place, each in enumerate(old) if each[0] == "Grüße & Potenziale")
    assert len(old) > title + 10
    assert new[title:] == old[title:]


def picture(take: Callable[[Path], None], name: str) -> None:
    folder = os.environ.get("LOOK_PICTURES")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        take(Path(folder) / f"{name}.png")


def test_fwd_07_the_draft_opens_ready_to_send_in_the_partners_name(text: PackText, tmp_path: Path, browser: Browser) -> None:
    draft = tmp_path / "weiterleiten.eml"
    draft.write_bytes(make_files(text)["weiterleiten.eml"])
    with thunderbird(tmp_path, opened=draft) as program:
        written = program.written()
        picture(program.picture, f"thunderbird-draft-{text.edition.id[:6]}")
        content = program.send(LIST)
    sent = parsed(content)
    assert (ADDRESS in written["sender"], written["to"], written["isHtml"]) == (True, "", True)
    assert written["subject"] == "Grüße & Potenziale"
    assert "Wollen wir darauf schauen?" in written["text"]
    assert (str(sent["From"]), str(sent["To"])) == (f"{NAME} <{ADDRESS}>", LIST)
    assert not {"X-Unsent", "List-Id", "Feedback-ID"} & set(sent.keys())
    assert_same_layout(browser, html_of(draft.read_bytes()), html_of(content))


def test_fwd_05_the_ready_mail_is_forwarded_with_its_layout(text: PackText, tmp_path: Path, browser: Browser) -> None:
    mail = ready_mail(text)
    with thunderbird(tmp_path, mail=mail) as program:
        program.forward()
        assert ADDRESS in program.written()["sender"]
        picture(program.picture, f"thunderbird-forward-{text.edition.id[:6]}")
        sent = program.send(LIST)
    assert str(parsed(sent)["From"]) == f"{NAME} <{ADDRESS}>"
    assert_same_layout(browser, html_of(mail), html_of(sent))
