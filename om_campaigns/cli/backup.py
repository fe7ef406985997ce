"""``backup`` and ``restore``: database, keys, settings and texts in one file, and back."""

from __future__ import annotations

from pathlib import Path

import click

from om_campaigns.cli import State, pass_state

FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.argument("file", type=FILE)
@pass_state
def backup(state: State, file: Path) -> None:
    """Write database, keys, settings, audiences and templates into a new FILE, while everything goes on.

    Whoever has that file has every address and the keys: keep it like the workspace itself. On PostgreSQL pg_dump must be
    installed. A password_file lies elsewhere and is not in it.
    """
    from om_campaigns.pipeline.operator.backups import back_up

    app = state.app()
    done = back_up(app, file, app.now())
    click.echo(f"{file}: {done.contents.kind} database and {len(done.contents.files)} files, {file.stat().st_size / 1e6:.1f} MB")
    if done.left_out:
        click.echo(f"left out, because links are not followed: {', '.join(done.left_out)}", err=True)


@click.command()
@click.argument("file", required=False, type=FILE)
@click.option("--replace", is_flag=True, help="Move aside what would be overwritten.")
@click.option("--confirm-live", is_flag=True, help="This database may send: no other copy of it does. Without FILE: the present one.")
@pass_state
def restore(state: State, file: Path | None, replace: bool, confirm_live: bool) -> None:
    """Bring a backup back into the workspace; a config.toml that is there stays.

    A database that was live does not send by itself afterwards, because what it still owes may have been sent since the backup
    was made. Look at 'plan', then 'restore --confirm-live'. The same holds for a database that was copied by other means.
    """
    from om_campaigns.clock import system_clock
    from om_campaigns.errors import InputError
    from om_campaigns.pipeline.operator.backups import restore as bring_back

    if file is None and not confirm_live:
        raise InputError("say what to restore", hint="name a file that 'om-campaigns backup' made")
    if file is not None:
        done = bring_back(state.workspace, file, is_replacing=replace, now=system_clock())
        click.echo(f"restored: {done.contents.kind} database and {len(done.contents.files)} files, as of {done.contents.made_at}")
        if done.kept:
            click.echo(f"  kept as it was: {', '.join(done.kept)}")
        if done.aside:
            click.echo(f"  what was there before is in {done.aside}")
        if done.uncertain:
            click.echo(f"  {done.uncertain} letters were being sent when the backup was made: 'om-campaigns ledger --status uncertain'")
        if done.contents.mode == "live" and not confirm_live:
            click.echo("It does not send yet. Look at 'om-campaigns plan', then 'om-campaigns restore --confirm-live'.")
    if confirm_live:
        _confirm(state)


def _confirm(state: State) -> None:
    from om_campaigns.pipeline.identity import confirm_live
    from om_campaigns.pipeline.staff.desk import load_actor

    app = state.app()
    due = confirm_live(app, app.now(), load_actor())
    click.echo(f"this database sends again; {due} letters in it are due now ('om-campaigns halt' stops everything)")
