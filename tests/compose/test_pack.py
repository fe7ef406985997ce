"""Packs: every form of what is passed on, the same for every contact of a house, and nothing in it that belongs to one reader.

FWD-01 to FWD-07, FWD-12, FWD-14; MSG-10, MSG-15 for what hangs on a cover.
"""

from __future__ import annotations

import dataclasses
import email
import email.policy
import hashlib
import html
import io
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader

from om_campaigns.compose.building import make_edition
from om_campaigns.compose.edition import Edition, EditionInput, Purpose
from om_campaigns.compose.forwardable import find_personal
from om_campaigns.compose.links import make_links
from om_campaigns.compose.message import Attachment, Head, Letter, Mailbox, MessageError
from om_campaigns.compose.pack import FILE_NAMES, Format, PackText, make_file, make_files
from om_campaigns.errors import ProblemsError
from om_campaigns.keyring import Keyring

pytestmark = pytest.mark.slow

TEXT = """+++
subject = "Grüße & Potenziale"
preheader = "Ein Gedanke, den zwei Häuser zusammen gehen können."
ideas = ["use_potentials"]
call_to_action = { text = "Einen Nebensatz notieren", how = "offline" }
+++
{{ contact.greeting }},

ein Gedanke für **{{ org.name }}** mit „Anführung“ und einem [Link](https://hilfen.example/check).

::: offers {#offers locked}
- Checks für Betriebe
- Fachleute zum Nachfragen
:::

::: say {#say editable}
„Wollen wir darauf schauen?“
:::

::: do {#do editable}
Notieren Sie **einen** Nebensatz.
:::
"""
LINKS = make_links("https://om.example", Keyring("k1", {"k1": b"s" * 32}), "adressref", "hausid", "reihe")
Given = Callable[..., EditionInput]


def make_text(given: Given, body: str = TEXT, **changes: Any) -> PackText:
    """A pack of a house whose name would be markup in every language used on the way."""
    plain: EditionInput = given(body)
    org = {**plain.context["org"], "name": "HWK *Nord* #1 <Süd> & $x$ [y]_z_", **changes.pop("org", {})}
    context = {**plain.context, "org": org, "sender": "home"}
    edition = make_edition(dataclasses.replace(plain, purpose=Purpose.pack, context=context, **changes))
    return PackText(edition, "Grüße & Potenziale", "hwk-nord", org["name"], date(2027, 1, 4), (("say", "Was Sie sagen können"),), "#0b5d5e")


@pytest.fixture
def text(given: Given) -> PackText:
    return make_text(given)


def test_fwd_01_a_pack_has_no_personal_value_and_greets_everybody(text: PackText) -> None:
    assert text.edition.slots == ()
    assert "Guten Tag," in text.edition.text.chunks[0]


@pytest.mark.parametrize("personal", ["{{ contact.full_name }}", "{{ links.unsubscribe }}", "{{ pack.ack_code }}"])
def test_fwd_01_a_personal_value_in_a_pack_is_an_error_with_its_place(given: Given, personal: str) -> None:
    with pytest.raises(ProblemsError) as caught:
        make_text(given, TEXT.replace("ein Gedanke für", f"{personal} ein Gedanke für"))
    problem = caught.value.problems[0]
    assert problem.line == 9
    assert "FWD-01" in problem.text


def test_fwd_01_the_files_of_two_contacts_are_the_same_bytes(given: Given) -> None:
    assert make_files(make_text(given)) == make_files(make_text(given))


def test_fwd_07_the_draft_opens_as_a_draft_of_nobody(text: PackText) -> None:
    content = make_file(text, Format.eml)
    assert content.startswith(b"X-Unsent: 1\r\nTo:\r\nCc:\r\n")
    assert all(line.endswith(b"\r\n") and len(line) <= 1000 for line in content.splitlines(keepends=True))
    draft = email.message_from_bytes(content, policy=email.policy.default)
    assert [part.get_content_type() for part in draft.walk()] == ["multipart/alternative", "text/plain", "text/html"]
    assert draft["Subject"] == "Grüße & Potenziale"
    assert set(draft.keys()) == {"X-Unsent", "To", "Cc", "Subject", "MIME-Version", "Content-Type"}


def test_the_block_is_markdown_with_headings_and_its_origin(text: PackText) -> None:
    block = make_file(text, Format.markdown).decode()
    assert block.startswith("## Grüße & Potenziale\n")
    assert "### Was Sie sagen können\n" in block
    assert ":::" not in block
    assert "{#" not in block
    assert "Weitergegeben von: " in block


def test_a_picture_keeps_its_size_where_it_is_html_and_is_plain_markdown_elsewhere(given: Given) -> None:
    picture = "![Zwei am Zaun](https://om.example/zaun.png)"
    text = make_text(given, TEXT.replace("- Checks", f"{picture}{{width=520 height=200}}\n\n- Checks"))
    block, sheet = make_file(text, Format.markdown).decode(), PdfReader(io.BytesIO(make_file(text, Format.pdf)))
    assert picture in block
    assert "{width" not in block + sheet.pages[0].extract_text()
    for form in (Format.html, Format.snippet):
        assert re.search(r'<img[^>]* width="520" height="200"', make_file(text, form).decode())


def test_fwd_14_the_snippet_is_an_ascii_fragment(text: PackText) -> None:
    snippet = make_file(text, Format.snippet)
    assert snippet.isascii()
    assert len(snippet) < 30_000
    told = snippet.decode()
    for foreign in ("<html", "<head", "<body", "<style", "<script", "class=", "<!--", "display:none"):
        assert foreign not in told
    assert "Gr&#252;&#223;e" in told
    words = set(re.findall(r"\w{4,}", html.unescape(re.sub(r"<[^>]+>", " ", told))))
    only_targets = {"https", "hilfen", "example", "check", "impressum", "datenschutz"}
    assert set(re.findall(r"\w{4,}", text.edition.text.chunks[0])) - words <= only_targets


def test_fwd_12_the_sheet_is_one_tagged_page_of_real_text(text: PackText) -> None:
    """Title, language and live links; a name full of marks stays a name."""
    content = make_file(text, Format.pdf)
    reader = PdfReader(io.BytesIO(content))
    assert len(reader.pages) == 1
    assert reader.metadata is not None
    assert reader.metadata.title == "Grüße & Potenziale"
    root: Any = reader.trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"]
    assert root["/Lang"].lower().startswith("de")
    told = " ".join(reader.pages[0].extract_text().split())
    assert "HWK *Nord* #1 <Süd> & $x$ [y]_z_" in told
    assert "Was Sie sagen können" in told
    assert "„Wollen wir darauf schauen?“" in told
    targets = [note.get_object()["/A"]["/URI"] for note in reader.pages[0]["/Annots"]]
    assert "https://hilfen.example/check" in targets
    assert b"2027" in content, "the date of the revision, not of the day"


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("pdftoppm") is None, reason="pdftoppm (poppler-utils) is not installed")
def test_the_sheet_can_be_drawn_by_another_program(text: PackText, tmp_path: Path) -> None:
    (tmp_path / "blatt.pdf").write_bytes(make_file(text, Format.pdf))
    subprocess.run(["pdftoppm", "-r", "50", "-png", "blatt.pdf", "blatt"], cwd=tmp_path, check=True)
    assert (tmp_path / "blatt-1.png").stat().st_size > 5_000


def test_the_manifest_names_every_file_with_its_hash(text: PackText) -> None:
    files = make_files(text)
    told = json.loads(files["manifest.json"])
    assert {each["name"]: each["sha256"] for each in told["files"]} == {
        name: hashlib.sha256(content).hexdigest() for name, content in files.items() if name != "manifest.json"
    }
    assert (told["edition"], told["language"], told["made_on"]) == (text.edition.id, "de", "2027-01-04")


def leaking(text: PackText, leak: str) -> PackText:
    """The same pack after somebody changed a layout, a block or the renderer so that ``leak`` gets into it."""
    edition = text.edition
    changed = {
        "html": dataclasses.replace(edition.html, chunks=(edition.html.chunks[0].replace("</body>", f"<p>{leak}</p></body>"),)),
        "text": dataclasses.replace(edition.text, chunks=(f"{edition.text.chunks[0]}\n{leak}\n",)),
        "markdown": f"{edition.markdown}\n\n{leak}\n",
    }
    return dataclasses.replace(text, edition=dataclasses.replace(edition, **changed))


LEAKS = {
    "a token": LINKS.slots["links.unsubscribe"],
    "the one-click address": LINKS.one_click,
    "a token behind a door nobody knows yet": LINKS.one_click.replace("one-click", "neue-tuer"),
    "preferences": "https://om.example/einstellungen/",
    "a masked address": "Diese E-Mail ging an m…@hwk.example",
    "a code": "Ihr Kennwort: 222-2222",
    "the note": "So leiten Sie weiter",
    "a placeholder": "{{ contact.full_name }}",
    "a mark": "Zq7s00001q7Z",
    "filler": "Lorem ipsum",
}


@pytest.mark.parametrize("form", [Format.eml, Format.html, Format.text, Format.markdown, Format.snippet, Format.pdf])
@pytest.mark.parametrize("leak", LEAKS.values(), ids=LEAKS)
def test_fwd_01_to_06_a_leak_fails_the_build_whatever_the_form(text: PackText, form: Format, leak: str) -> None:
    with pytest.raises(ProblemsError) as caught:
        make_file(leaking(text, leak), form)
    assert FILE_NAMES[form] in caught.value.problems[0].file


@pytest.mark.parametrize(
    "image",
    [
        '<img src="https://om.example/x.gif" width="1" height="1" alt="">',
        '<img src="data:image/png;base64,AAAA" width="20" height="20" alt="">',
        '<img src="http://om.example/x.png" width="20" height="20" alt="">',
    ],
    ids=["a pixel", "data", "no https"],
)
@pytest.mark.parametrize("form", [Format.eml, Format.html])
def test_fwd_06_a_pixel_or_an_image_not_for_everybody_fails_the_build(text: PackText, form: Format, image: str) -> None:
    with pytest.raises(ProblemsError):
        make_file(leaking(text, image), form)


@pytest.mark.parametrize(
    "field", ["From: a@b.example", "Date: x", "Message-ID: <a@b>", "List-Id: x", "Feedback-ID: a", "DKIM-Signature: x"]
)
def test_fwd_01_a_field_of_a_mail_on_its_way_is_found_in_a_draft(text: PackText, field: str) -> None:
    content = make_file(text, Format.eml).replace(b"MIME-Version", f"{field}\r\nMIME-Version".encode(), 1)
    assert [problem.rule_id for problem in find_personal("weiterleiten.eml", content)] == ["FWD-01"]
    assert find_personal("weiterleiten.eml", make_file(text, Format.eml)) == []


def test_fwd_07_somebody_in_to_is_found(text: PackText) -> None:
    content = make_file(text, Format.eml).replace(b"To:\r\n", b"To: mira@hwk.example\r\n", 1)
    assert [problem.rule_id for problem in find_personal("weiterleiten.eml", content)] == ["FWD-07"]


HEAD = Head(
    date=datetime(2027, 1, 5, 9, tzinfo=UTC),
    message_id="<a@b.example>",
    sender=Mailbox("om@x.example"),
    to=Mailbox("m@y.example"),
    seed="s",
)


def cover_with(edition: Edition, *attachments: Attachment) -> Any:
    content = Letter(edition).write(HEAD, (), attachments)
    assert all(line.endswith(b"\r\n") for line in content.splitlines(keepends=True))
    return email.message_from_bytes(content, policy=email.policy.default)


def test_msg_10_attachments_stand_outside_the_letter_and_come_back_as_they_were(text: PackText) -> None:
    draft, sheet = make_file(text, Format.eml), make_file(text, Format.pdf)
    mail = cover_with(
        text.edition,
        Attachment("weiterleiten.eml", "application/octet-stream", draft),
        Attachment("Blatt für Müller.pdf", "application/pdf", sheet),
    )
    assert [part.get_content_type() for part in mail.walk()] == [
        "multipart/mixed",
        "multipart/alternative",
        "text/plain",
        "text/html",
        "application/octet-stream",
        "application/pdf",
    ]
    assert [part.get_payload(decode=True) for part in mail.iter_attachments()] == [draft, sheet]
    assert [part.get_filename() for part in mail.iter_attachments()] == ["weiterleiten.eml", "Blatt für Müller.pdf"]


def test_msg_15_an_umlaut_in_a_file_name_has_an_ascii_name_beside_it(text: PackText) -> None:
    content = Letter(text.edition).write(HEAD, (), [Attachment("Blatt für Müller.pdf", "application/pdf", b"x")])
    assert b'filename="Blatt fur Muller.pdf"' in content
    assert b"filename*=utf-8''Blatt%20f%C3%BCr%20M%C3%BCller.pdf" in content


@pytest.mark.parametrize("name", ["../x.pdf", "a\r\nBcc: x", "", "a/b.pdf"])
def test_sec_04_a_file_name_that_is_none_is_refused(text: PackText, name: str) -> None:
    with pytest.raises(MessageError):
        Letter(text.edition).write(HEAD, (), [Attachment(name, "application/pdf", b"x")])


def test_a_note_stands_in_a_box_after_the_letter(given: Given) -> None:
    plain: EditionInput = given(TEXT)
    files = {**plain.files, "content/note.de.md": "::: note {#note locked}\nIhr Kennwort: {{ pack.ack_code }}\n:::\n"}
    edition = make_edition(dataclasses.replace(plain, files=files, purpose=Purpose.cover, note="content/note.de.md"))
    assert {use.path for use in edition.slots} >= {"pack.ack_code", "contact.greeting", "links.unsubscribe"}
    told = edition.text.joined([f"[{use.path}]" for use in edition.slots], lambda _, value: value)
    assert told.index("So leiten Sie weiter") > told.index("Einen Nebensatz notieren")
    assert "Ihr Kennwort: [pack.ack_code]" in told


def test_a_text_that_cannot_become_an_accessible_page_is_named_and_no_crash(given: Given) -> None:
    """FWD-12: a heading without words is one for nobody."""
    text = make_text(given, TEXT.replace("ein Gedanke", "## \n\nein Gedanke"))
    with pytest.raises(ProblemsError, match=r"blatt\.pdf: the printed sheet cannot be set"):
        make_file(text, Format.pdf)
