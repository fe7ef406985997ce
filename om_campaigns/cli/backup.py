"""``backup`` and ``restore``: database, keys, settings and texts in one file, and back."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from om_campaigns.cli import State, pass_state

FILE = click.Path(path_type=Path, dir_okay=False)

CHECKSUM_LENGTH = 16


@click.command()
@click.argument("file", type=FILE)
@pass_state
def backup(state: State, file: Path) -> None:
    """Write database, keys, settings, audiences and templates into a new FILE, while everything goes on.

    Whoever has that file has every address and the keys: keep it like the workspace itself. On PostgreSQL pg_dump must be
    installed. A password_file lies elsewhere and is not in it.
    """
    from om_campaigns.operate.backup import back_up

    app = state.app()
    done = back_up(app, file, app.now())
    click.echo(f"{file}: {done.contents.kind} database and {len(done.contents.files)} files, {file.stat().st_size / 1e6:.1f} MB")
    if done.left_out:
        click.echo(f"left out, because links are not followed: {', '.join(done.left_out)}", err=True)


@click.command()
@click.argument("file", required=False, type=FILE)
@click.option("--replace", is_flag=True, help="Move aside what would be overwritten.")
@click.option("--confirm-live", is_flag=True, help="This database may send: no other copy of it does. Without FILE: the present one.")
@click.option("--sent-since", metavar="SOURCE", help="What left after the backup: the database moved aside, or the mail server's log.")
@click.option(
    "--expect",
    metavar="CHECKSUM|N",
    multiple=True,
    help="Confirm only the plan that was reviewed; or N: so many may newly enter. Answers the questions. Repeatable.",
)
@pass_state
def restore(state: State, file: Path | None, replace: bool, confirm_live: bool, sent_since: str | None, expect: tuple[str, ...]) -> None:
    """Bring a backup back into the workspace; a config.toml that is there stays.

    Without -w it goes into the folder where you are; it asks first if something lies there.

    A database that was live does not send by itself afterwards, because what it owes may have been sent since the backup was made.
    'restore --confirm-live' shows what would leave and asks; with --sent-since it first takes over what was sent, who left and what
    was halted after the backup. Where more would newly enter a campaign than it takes in a day, they are held, unless their number is
    said as well (--expect N). The same holds for a database that was copied by other means.
    """
    from om_campaigns.cli.screen import is_terminal, print_next, quoted
    from om_campaigns.clock import system_clock
    from om_campaigns.errors import InputError
    from om_campaigns.operate.backup import restore as bring_back

    if file is None and not confirm_live:
        raise InputError("say what to restore", hint="name a file that 'om-campaigns backup' made; --sent-since goes with --confirm-live")
    if (sent_since or expect) and not confirm_live:
        raise InputError("--sent-since and --expect go with --confirm-live", hint="restore FILE first, then 'restore --confirm-live'")
    if file is not None:
        _ask_about_folder(state.workspace, file)
        done = bring_back(state.workspace, file, is_replacing=replace, now=system_clock())
        click.echo(f"restored: {done.contents.kind} database and {len(done.contents.files)} files, as of {done.contents.made_at}")
        if done.kept:
            click.echo(f"  kept as it was: {', '.join(done.kept)}")
        if done.aside:
            click.echo(f"  what was there before is in {done.aside}")
        if done.uncertain:
            click.echo(f"  {done.uncertain} letters were being sent when the backup was made: 'om-campaigns ledger --status uncertain'")
        if done.contents.mode == "live" and not confirm_live:
            click.echo("It does not send yet: what left after the backup would leave a second time.")
            source = done.database_aside or "SOURCE"
            print_next(f"restore --confirm-live --sent-since {quoted(source)}", is_apart=is_terminal(sys.stdout))
    if confirm_live:
        _confirm(state, sent_since or "", *_read_answers(expect))


def _ask_about_folder(folder: Path, file: Path) -> None:
    """Whoever names no workspace may stand anywhere, for example in the home folder."""
    from om_campaigns.cli.screen import confirm

    source = click.get_current_context().find_root().get_parameter_source("workspace")
    if source is not click.core.ParameterSource.DEFAULT or not any(each != file.absolute() for each in folder.absolute().iterdir()):
        return
    here = folder.absolute()
    confirm(
        f"Restore into {here}?", answer=f"-w {here} restore {file}", what=f"the backup would be restored into {here}, where other files are"
    )


def _read_answers(expect: tuple[str, ...]) -> tuple[str, int | None]:
    """The checksum and the figure among what was expected; each may be missing. Raises InputError."""
    from om_campaigns.errors import InputError

    figures = [each for each in expect if each.isdecimal() and len(each) < CHECKSUM_LENGTH]
    checksums = [each for each in expect if each not in figures]
    if len(figures) > 1 or len(checksums) > 1:
        raise InputError("--expect takes one checksum and one number", hint="leave away what is too many")
    return (checksums[0] if checksums else ""), (int(figures[0]) if figures else None)


def _confirm(state: State, source: str, checksum: str, enters: int | None) -> None:
    from om_campaigns.cli.entering import print_entering
    from om_campaigns.cli.output import counted
    from om_campaigns.cli.plans import print_plan
    from om_campaigns.cli.restored import print_confirmation
    from om_campaigns.cli.screen import ask_figure, can_ask, confirm_figure, print_block, print_headline, print_next, quoted, whole_command
    from om_campaigns.operate.confirming_restored import confirm_restored, look_at_restored
    from om_campaigns.staff.entering import FigureNeededError, count_entering
    from om_campaigns.staff.importing import load_actor

    app, actor = state.app(), load_actor()
    now = app.now()
    command = f"restore --confirm-live{f' --sent-since {quoted(source)}' if source else ''}"
    try:
        found = look_at_restored(app, now, actor, source, enters=enters)
    except FigureNeededError as wrong:
        print_entering(wrong.entering, app.settings.zone_info, now, err=True)
        raise
    print_confirmation(app, found, now)
    print_entering(found.entering, app.settings.zone_info, now)
    if enters is None and any(each.needs_figure for each in found.entering):
        total = count_entering(found.entering)
        print_block("They are too many for a day and stay held, unless their number is said:")
        click.echo(whole_command(f"{command} --expect {total}"))
        if not checksum and can_ask() and ask_figure("Type the number that would enter, or Enter to hold them", total):
            enters, found = total, look_at_restored(app, now, actor, source, enters=total)
    print_plan(app, found.after, now)
    if not checksum:
        print_block("This database may send only if no other copy of it does: the old server is off, its scheduler is stopped.")
        figure = f" --expect {enters}" if enters is not None else ""
        letters = counted(found.after.letters, "letter")
        question = "Type the number of letters that may leave"
        confirm_figure(
            question,
            found.after.letters,
            answer=f"{command} --expect {found.after.checksum}{figure}",
            what=f"{letters} would leave",
        )
    done = confirm_restored(app, now, actor, checksum or found.after.checksum, source, enters=enters)
    click.echo()
    if done.is_halted:
        print_headline("Confirmed. Sending is halted still; nothing leaves before that is lifted.", mark="✓")
        print_next("unhalt", is_apart=False)
    else:
        print_headline("Confirmed: this database sends again; 'om-campaigns halt' stops everything.", mark="✓")
