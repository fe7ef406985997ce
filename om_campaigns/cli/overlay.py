"""``overlay``: what houses say in their own words in what they pass on."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from om_campaigns.cli import Group, State, pass_state
from om_campaigns.cli.output import format_option, print_rows

if TYPE_CHECKING:
    from om_campaigns.app import App

KEYS = ("house", "campaign", "step", "language", "block", "state", "conflict", "own_text", "om_text", "after", "at", "origin", "actor")
BLOCK_KEYS = ("block", "title", "policy", "hash", "state", "conflict", "own_text", "om_text", "after", "at", "origin", "actor")
HISTORY_KEYS = ("at", "block", "kind", "text", "after", "origin", "actor")


def tell_conflicts(app: App) -> None:
    """Say how many blocks of houses want a decision, where any do."""
    from om_campaigns import store
    from om_campaigns.partner.show_own_words import count_conflicts

    with store.read(app.engine) as session:
        number = count_conflicts(session, app)
    if number:
        click.echo(f"{number} blocks that houses say in their own words want a decision: 'om-campaigns overlay list --conflicts'")


@click.group(cls=Group)
def overlay() -> None:
    """The own words of houses in what they pass on."""


def text_arguments(function: Any) -> Any:
    """HOUSE CAMPAIGN/STEP [--language]; the command gets them as ``house``, ``target``, ``language``."""
    function = click.option("--language", default="", metavar="de|en", help="Which text, where there are several.")(function)
    function = click.argument("target", metavar="CAMPAIGN/STEP")(function)
    return click.argument("house", metavar="HOUSE")(function)


def words_options(function: Any) -> Any:
    """--text or --file; the command gets them as ``words`` and ``path``."""
    function = click.option(
        "--file", "path", type=click.Path(path_type=Path, exists=True, dir_okay=False, allow_dash=True), help="The words, from a file or -."
    )(function)
    return click.option("--text", "words", help="The words, in Markdown.")(function)


def _text(house: str, target: str, language: str) -> Any:
    from om_campaigns.errors import InputError
    from om_campaigns.partner.show_own_words import OwnText

    campaign, _, step = target.partition("/")
    if not step:
        raise InputError(f"'{target}' names no step", hint="write CAMPAIGN/STEP, for example fuenf-gedanken/b2")
    return OwnText(house, campaign, step, language)


def _words(words: str | None, path: Path | None) -> str:
    from om_campaigns.errors import InputError

    if (words is None) == (path is None):
        raise InputError("say what it should read", hint="--text '…' or --file FILE")
    if path is None:
        return words or ""
    return sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8-sig")


@overlay.command("list")
@click.option("--house", default="", metavar="HOUSE", help="Only this house.")
@click.option("--conflicts", is_flag=True, help="Only where a decision is wanted.")
@format_option
@pass_state
def list_(state: State, house: str, conflicts: bool, format_: str) -> None:
    """Every block that a house says itself, and where OM's text has changed since.

    JSON: house, campaign, step, language, block, state, conflict, own_text, om_text, after, at, origin, actor.
    """
    from om_campaigns.audience.finding import find_house
    from om_campaigns.cli.output import looking
    from om_campaigns.partner.show_own_words import list_own_words

    with looking(state) as (app, session):
        rows = list_own_words(session, app, house=find_house(session, house), conflicts_only=conflicts)
        zone = app.settings.zone_info
    columns = {"house": "house", "campaign": "campaign", "step": "step", "block": "block", "state": "state", "conflict": "decide",
               "at": "since", "actor": "by"}  # fmt: skip
    print_rows(rows, format_, columns, keys=KEYS, zone=zone, empty="no decision is wanted" if conflicts else "no house uses own words")


@overlay.command()
@text_arguments
@format_option
@pass_state
def show(state: State, house: str, target: str, language: str, format_: str) -> None:
    """The blocks of a text: what a house may do with each, OM's words, and its own beside them.

    JSON: block, title, policy, hash, state, conflict, own_text, om_text, after, at, origin, actor.
    """
    from om_campaigns.cli.output import looking
    from om_campaigns.partner.show_own_words import find_text, show_blocks

    with looking(state) as (app, session):
        rows = show_blocks(find_text(session, app, _text(house, target, language)))
        zone = app.settings.zone_info
    for row in rows:
        row["short"] = row["hash"][:8]
    columns = {"block": "block", "policy": "policy", "short": "hash", "state": "says", "conflict": "decide", "om_text": "OM's words",
               "own_text": "own words"}  # fmt: skip
    print_rows(rows, format_, columns, keys=BLOCK_KEYS, zone=zone, empty="this text has no blocks")


@overlay.command()
@text_arguments
@format_option
@pass_state
def history(state: State, house: str, target: str, language: str, format_: str) -> None:
    """Everything a house ever did with a text.

    JSON: at, block, kind, text, after, origin, actor.
    """
    from om_campaigns.cli.output import looking
    from om_campaigns.partner.show_own_words import find_text, load_own_history

    with looking(state) as (app, session):
        rows = load_own_history(find_text(session, app, _text(house, target, language)))
        zone = app.settings.zone_info
    columns = {"at": "when", "block": "block", "kind": "what", "text": "words", "origin": "origin", "actor": "by"}
    print_rows(rows, format_, columns, keys=HISTORY_KEYS, zone=zone, empty="nothing was ever changed here")


def _change(state: State, house: str, target: str, language: str, action: str, block: str, words: str = "", after: str = "") -> bool:
    from om_campaigns.partner.own_words import Acting, Action, BlockChange, change_block
    from om_campaigns.staff.importing import load_actor

    app = state.app()
    change = BlockChange(Action(action), block, words, after)
    return change_block(app, _text(house, target, language), change, app.now(), Acting(load_actor()))


def _say(is_new: bool, done: str) -> None:
    click.echo(done if is_new else f"{done} (already)")


@overlay.command("set")
@text_arguments
@click.argument("block")
@words_options
@pass_state
def set_(state: State, house: str, target: str, language: str, block: str, words: str | None, path: Path | None) -> None:
    """Say a block in the house's own words."""
    _say(_change(state, house, target, language, "set", block, _words(words, path)), f"{block}: own words")


@overlay.command()
@text_arguments
@click.argument("block")
@pass_state
def hide(state: State, house: str, target: str, language: str, block: str) -> None:
    """Leave an optional block out."""
    _say(_change(state, house, target, language, "hide", block), f"{block}: left out")


@overlay.command()
@text_arguments
@click.option("--name", default="", help="How to call it; a free name is found otherwise.")
@click.option("--after", default="", metavar="BLOCK|top", help="Where it stands; at the end otherwise.")
@words_options
@pass_state
def add(state: State, house: str, target: str, language: str, name: str, after: str, words: str | None, path: Path | None) -> None:
    """Add a block of the house's own."""
    _say(_change(state, house, target, language, "add", name, _words(words, path), after), f"{name or 'own block'}: added")


@overlay.command()
@text_arguments
@click.argument("block")
@pass_state
def reset(state: State, house: str, target: str, language: str, block: str) -> None:
    """Go back to OM's words, or take an own block away."""
    _say(_change(state, house, target, language, "reset", block), f"{block}: OM's words")


@overlay.command()
@text_arguments
@click.argument("block")
@click.option("--keep", type=click.Choice(["own", "om"]), required=True, help="Whose words hold from now on.")
@pass_state
def decide(state: State, house: str, target: str, language: str, block: str, keep: str) -> None:
    """Answer a change of OM's: keep the own words, or take OM's."""
    done = _change(state, house, target, language, "keep" if keep == "own" else "take", block)
    click.echo(f"{block}: no decision is wanted" if not done else f"{block}: own words kept" if keep == "own" else f"{block}: OM's words")


@overlay.command("import")
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="[FILE]…")
@pass_state
def import_(state: State, paths: tuple[Path, ...]) -> None:
    """Take over the files of audiences/overlays/HOUSE/CAMPAIGN/STEP.LANGUAGE.md, or only those named; all or none."""
    from om_campaigns.staff.importing import load_actor
    from om_campaigns.staff.overlay_files import import_overlays

    app = state.app()
    taken = import_overlays(app, paths, app.now(), load_actor())
    click.echo(f"{taken.files} files, {taken.blocks} blocks changed, {taken.packs} packs with a new revision")
