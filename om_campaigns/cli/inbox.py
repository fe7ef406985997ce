"""``inbox``: take in mail."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path
from typing import Any, BinaryIO

import click

from om_campaigns.cli import State, pass_state
from om_campaigns.cli.output import format_option, print_rows

KEYS = ("name", "kind", "is_new", "left", "kept")
TRY_AGAIN = 75
"""EX_TEMPFAIL of sysexits.h: a mail server keeps the mail and calls again; any other code would send it back to its writer."""


@click.command()
@click.argument("files", nargs=-1, metavar="[FILE…|-]")
@format_option
@pass_state
def inbox(state: State, files: tuple[str, ...], format_: str) -> None:
    """Take in mail: who writes to the address for leaving in a letter's head leaves that list. Nobody is ever answered.

    Without FILE: what lies in the Maildir of '[inbox] source'; 'run' and 'send' take it too. With '-': one mail, as a mail
    server hands it over; whatever goes wrong then ends with code 75, so that the server keeps it and calls again.

    JSON: name, kind (unsubscribe, automatic, unclear), is_new, left, kept.
    """
    if files != ("-",):
        _take(state, files, format_)
        return
    try:
        _take(state, files, "quiet")
    except Exception:
        traceback.print_exc()
        click.get_current_context().exit(TRY_AGAIN)


def _take(state: State, files: tuple[str, ...], format_: str) -> None:
    from om_campaigns.feedback.inbox import collect, read_files, take_all

    def standard_input() -> BinaryIO:
        return sys.stdin.buffer

    app = state.app()
    taken = take_all(app, read_files(files, standard_input), app.now()) if files else collect(app, app.now())
    if format_ == "quiet":
        return
    rows: list[dict[str, Any]] = [{key: getattr(each, key) for key in KEYS} for each in taken]
    for row in rows:
        row["kept"] = Path(row["kept"]).name
    columns = {"name": "mail", "kind": "kind", "is_new": "new", "left": "left a list", "kept": "kept in inbox/"}
    print_rows(rows, format_, columns, keys=KEYS, empty="no mail waits")
