"""Own words as files: ``audiences/overlays/HOUSE/CAMPAIGN/STEP.LANGUAGE.md``, checked with the workspace and taken over at once.

A file speaks for the blocks it names. What it says again changes nothing, so words a partner wrote elsewhere stay; a block that a
file no longer names goes back to OM's words if the file had set it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import select
from sqlmodel import Session

from om_campaigns import store
from om_campaigns.app import App, require_real_clock
from om_campaigns.audience.changes import origin_of
from om_campaigns.audience.models import Organisation
from om_campaigns.audience.vocabulary import ForwardPolicy, Origin
from om_campaigns.campaign.reading import PACK
from om_campaigns.columns import table_of
from om_campaigns.compose.frontmatter import parse_step
from om_campaigns.compose.markdown import Block, check_markdown
from om_campaigns.compose.overlay import OverlayKind, OwnBlock, find_block_fault
from om_campaigns.compose.overlay_log import load_history
from om_campaigns.compose.overlay_text import RULE, WrittenBlock, read_overlay
from om_campaigns.errors import InputError, Problem, ProblemsError
from om_campaigns.letters.texts import MOST_BYTES
from om_campaigns.nearest import suggest
from om_campaigns.partner.own_words import UNCHANGED, Acting, record, renew_packs
from om_campaigns.partner.show_own_words import HouseText, OwnText, find_text

FOLDER = "overlays"
FROM_FILES = (Origin.file, Origin.sample)


@dataclass(frozen=True)
class OverlayFile:
    """One file: which text it is about, where it stands, what it says."""

    text: OwnText
    path: str
    written: list[WrittenBlock]


@dataclass
class Taken:
    """What taking over came to: files read, blocks that changed, packs with a new revision."""

    files: int = 0
    blocks: int = 0
    packs: int = 0


def overlay_paths(app: App) -> list[Path]:
    """Every file of own words in the workspace."""
    return sorted((app.audiences / FOLDER).rglob("*.md"))


def import_overlays(app: App, paths: Sequence[Path], now: datetime, actor: str) -> Taken:
    """Take over these files, or all; everything or nothing. Raises ProblemsError with everything wrong in any of them."""
    require_real_clock(app)
    files, problems = _read(app, list(paths) or overlay_paths(app))
    taken, acting = Taken(files=len(files)), Acting(actor, origin_of(app, paths))
    with store.write(app.engine) as session:
        for each in files:
            try:
                blocks, packs = _take(session, app, each, now, acting)
            except ProblemsError as error:
                problems += error.problems
                continue
            except InputError as error:
                problems.append(Problem(each.path, 0, 0, RULE, str(error)))
                continue
            taken.blocks += blocks
            taken.packs += packs
        if problems:
            raise ProblemsError(problems, hint="nothing was changed")
    return taken


def check_overlays(app: App, session: Session, texts: Mapping[str, str]) -> list[Problem]:
    """Everything wrong in the files of own words, against the houses and the campaign texts (path → text) as the files say now."""
    files, problems = _read(app, overlay_paths(app))
    organisation = table_of(Organisation)
    policies = dict(session.execute(select(organisation.c.slug, organisation.c.forward_policy)).all())
    for each in files:
        if each.text.house not in policies:
            problems.append(
                Problem(each.path, 0, 0, RULE, f"there is no organisation '{each.text.house}'{suggest(each.text.house, policies)}")
            )
            continue
        if policies[each.text.house] is ForwardPolicy.as_is:
            problems.append(Problem(each.path, 0, 0, RULE, f"'{each.text.house}' {UNCHANGED}"))
        blocks = _blocks_of(each.text, texts)
        if blocks is None:
            problems.append(
                Problem(each.path, 0, 0, RULE, f"there is no text '{each.text.campaign}/{each.text.step}.{each.text.language}'")
            )
            continue
        faults = ((written.line, find_block_fault(written.own, blocks)) for written in each.written)
        problems += [Problem(each.path, line, 1, RULE, fault) for line, fault in faults if fault]
    return problems


def _blocks_of(text: OwnText, texts: Mapping[str, str]) -> dict[str, Block] | None:
    stem = f"campaigns/{text.campaign}/{text.step}"
    path = next((path for path in (f"{stem}.{PACK}.{text.language}.md", f"{stem}.{text.language}.md") if path in texts), None)
    step = parse_step(texts[path], path)[0] if path else None
    if path is None or step is None:
        return None
    return {block.id: block for block in check_markdown(step.body, path, step.body_line, text.language)[0].blocks}


def _read(app: App, paths: Sequence[Path]) -> tuple[list[OverlayFile], list[Problem]]:
    files, problems = [], []
    for path in paths:
        shown = path.as_posix()
        text = _text_of(app, path)
        if text is None:
            said = f"own words stand in {FOLDER}/HOUSE/CAMPAIGN/STEP.LANGUAGE.md"
            problems.append(Problem(shown, 0, 0, RULE, said))
            continue
        try:
            if path.stat().st_size > MOST_BYTES:
                raise ProblemsError([Problem(shown, 0, 0, "SIZE", f"own words have at most {MOST_BYTES // 1000:,} KB")])
            written, found = read_overlay(path.read_text(encoding="utf-8"), shown)
        except ProblemsError as error:
            found, written = list(error.problems), []
        except FileNotFoundError:
            found, written = [Problem(shown, 0, 0, RULE, "there is no such file")], []
        except UnicodeDecodeError as error:
            found, written = [Problem(shown, 0, 0, "ENCODING", f"not UTF-8 (byte {error.start}): save it as UTF-8")], []
        problems += found
        files.append(OverlayFile(text, shown, [] if found else written))
    return files, problems


def _text_of(app: App, path: Path) -> OwnText | None:
    try:
        house, campaign, name = path.resolve().relative_to((app.audiences / FOLDER).resolve()).parts
        step, language, _ = name.split(".")
    except ValueError:
        return None
    return OwnText(house, campaign, step, language)


def _take(session: Session, app: App, file: OverlayFile, now: datetime, acting: Acting) -> tuple[int, int]:
    """Write what a file says differently than before into the log; returns how many blocks changed, and packs with them."""
    text = find_text(session, app, file.text)
    if text.key.language != file.text.language:
        raise InputError(f"the published text has no language '{file.text.language}'")
    changed = sum(record(session, text, own, file.path, line, now, acting) for own, line in _said_anew(session, text, file))
    return changed, renew_packs(session, app, text, now) if changed else 0


def _said_anew(session: Session, text: HouseText, file: OverlayFile) -> Iterator[tuple[OwnBlock, int]]:
    said: dict[str, OwnBlock] = {}
    for logged in load_history(session, text.key):
        if logged.origin in FROM_FILES:
            said[logged.own.block] = logged.own
    for each in file.written:
        before = said.get(each.own.block)
        if before is None or (before.kind, before.text, before.after) != (each.own.kind, each.own.text, each.own.after):
            yield each.own, each.line
    named = {each.own.block for each in file.written}
    for block, logged in text.own.items():
        if logged.origin in FROM_FILES and block not in named:
            yield OwnBlock(block, OverlayKind.reset), 0
