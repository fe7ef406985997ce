"""``preview`` and ``test``: letters to look at before anybody gets them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

import click

from om_campaigns.cli import State, pass_state

if TYPE_CHECKING:
    from om_campaigns.app import App
    from om_campaigns.staff.preview import Preview


@click.command()
@click.argument("target", metavar="CAMPAIGN[/STEP]")
@click.option("--for", "reader", metavar="PERSON|ORG", help="Whose letter (default: the first who matches).")
@click.option("--language", type=click.Choice(["de", "en"]), help="In which language (default: the instance's).")
@click.option(
    "--write", "folder", type=click.Path(path_type=Path, file_okay=False), metavar="DIR", help="Write .html, .txt and .eml there."
)
@click.option("--spam", is_flag=True, help="Ask SpamAssassin and rspamd, where they are installed here.")
@pass_state
def preview(state: State, target: str, reader: str | None, language: str | None, folder: Path | None, spam: bool) -> None:
    """Show the letters of a campaign, or one step, as the files say now, and what the lint says of them. Changes nothing."""
    from om_campaigns.staff.preview import preview as make_previews
    from om_campaigns.staff.spam import judge

    app = state.app()
    letters = make_previews(app, target, app.now(), language=language, **_find(app, reader))
    verdicts = judge([letter.content for letter in letters]) if spam else [()] * len(letters)
    if spam and not any(verdicts):
        click.echo("there is neither spamassassin nor rspamd on this machine", err=True)
    for letter, judged in zip(letters, verdicts, strict=True):
        if folder is None:
            _show(letter)
        else:
            _write(letter, folder)
        for problem in letter.problems:
            click.echo(str(problem), err=True)
        for verdict in judged:
            click.echo(f"{_name(letter)}: {verdict}{'' if verdict.is_harmless else ' [REN-17]'}", err=not verdict.is_harmless)


@click.command()
@click.argument("target", metavar="CAMPAIGN[/STEP]")
@click.option("--to", required=True, metavar="ADDRESS", help="One of our own addresses ('staff' or 'rehearsal_to').")
@click.option("--for", "reader", metavar="PERSON|ORG", help="As if for this reader.")
@pass_state
def test(state: State, target: str, to: str, reader: str | None) -> None:
    """Send the letters of a campaign, or one step, to yourself through the real mail server. Counts nowhere."""
    from om_campaigns.staff.preview import send_test

    app = state.app()
    for letter in send_test(app, target, to, app.now(), **_find(app, reader)):
        click.echo(f"sent to {to}: {letter.campaign}/{letter.step} – {letter.subject}")


class Whose(TypedDict, total=False):
    """Whose letter, as ``preview`` takes it."""

    person_id: int | None
    organisation_id: int | None
    address_id: int | None


def _find(app: App, reader: str | None) -> Whose:
    """Whose letter: an address as it is typed (several may share it, an office has one of its own), else a person or a house."""
    from om_campaigns.audience.finding import find_address, find_person_or_organisation
    from om_campaigns.store import read

    if reader is None:
        return Whose()
    with read(app.engine) as session:
        if "@" in reader:
            return Whose(address_id=find_address(session, reader))
        person_id, organisation_id = find_person_or_organisation(session, reader)
        return Whose(person_id=person_id, organisation_id=organisation_id)


def _name(letter: Preview) -> str:
    kind = "" if letter.part == "mail" else letter.part
    return ".".join(part for part in (f"{letter.campaign}-{letter.step}", letter.variant, kind, letter.language) if part)


def _show(letter: Preview) -> None:
    click.secho(f"{_name(letter)} for {letter.recipient} ({letter.house})", bold=True)
    click.echo(f"Subject:   {letter.subject}")
    click.echo(f"Preheader: {letter.preheader}")
    click.echo(f"Size:      HTML {len(letter.html.encode()):,} bytes, whole mail {len(letter.content):,} bytes, {letter.pictures} pictures")
    click.echo(f"\n{letter.text}")


def _write(letter: Preview, folder: Path) -> None:
    from om_campaigns.private_files import write_private

    folder.mkdir(parents=True, exist_ok=True)
    for ending, content in ((".html", letter.html.encode()), (".txt", letter.text.encode()), (".eml", letter.content)):
        write_private(folder / f"{_name(letter)}{ending}", content)
    click.echo(folder / f"{_name(letter)}.html")
