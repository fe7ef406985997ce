"""The texts of a campaign: reading its files, checking them, freezing them.

Files below ``templates/`` are drafts; everything a campaign reaches is checked here before it is published.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy import select
from sqlmodel import Session

from om_campaigns.app import App
from om_campaigns.audience.models import MailingList
from om_campaigns.audience.segments import find_unknown_words, load_words, read_segments
from om_campaigns.campaign.definition import CampaignDefinition
from om_campaigns.campaign.models import Campaign
from om_campaigns.campaign.reading import PACK, Known, TextName, parse_campaign, parse_text_name
from om_campaigns.columns import table_of
from om_campaigns.compose.characters import take_breaks
from om_campaigns.compose.frontmatter import parse_step
from om_campaigns.compose.pictures import encode, is_picture
from om_campaigns.compose.step_checks import check_step
from om_campaigns.errors import InputError, Problem, ProblemsError, errors_among
from om_campaigns.nearest import make_hint

SHARED = ("layouts", "blocks", "brands", "content")
"""Folders every campaign reaches."""

STOCK = "monatsbrief"
"""Texts kept for letters to come: checked like all others, part of no campaign."""

MOST_BYTES = 500_000
"""Of one text: five times what mail programs show of a whole letter."""

TEXT_ENDINGS = (".md", ".mjml", ".toml", ".txt")


def read_tree(folder: Path, *names: str) -> dict[str, str]:
    """Texts and pictures at or below ``folder/name`` for each name, by their path below ``folder`` with forward slashes.

    A picture is the base64 of its bytes. Raises ProblemsError for texts that are not UTF-8.
    """
    files, problems = {}, []
    for name in names:
        for path in [folder / name, *sorted((folder / name).rglob("*"))]:
            if not path.is_file() or path.is_symlink() or not (path.suffix in TEXT_ENDINGS or is_picture(path.name)):
                continue
            key = path.relative_to(folder).as_posix()
            if is_picture(path.name):
                files[key] = encode(path.read_bytes())
                continue
            if path.stat().st_size > MOST_BYTES:
                text = f"the text has {path.stat().st_size // 1000:,} KB, more than {MOST_BYTES // 1000:,} KB: no letter is that long"
                problems.append(Problem(path.as_posix(), 0, 0, "SIZE", text))
                continue
            try:
                files[key] = path.read_text(encoding="utf-8-sig")
            except UnicodeDecodeError as error:
                line = error.object.count(b"\n", 0, error.start) + 1
                problems.append(Problem(path.as_posix(), line, 0, "ENCODING", f"not UTF-8 (byte {error.start}): save it as UTF-8"))
                continue
            if path.suffix in (".mjml", ".txt"):
                files[key] = take_breaks(files[key])
    if problems:
        raise ProblemsError(problems)
    return files


def campaign_names(app: App) -> list[str]:
    """Campaigns that stand as files in the workspace."""
    return sorted(path.parent.name for path in (app.templates / "campaigns").glob("*/campaign.toml"))


def languages_by_step(
    name: str, definitions: Iterable[CampaignDefinition], files: Mapping[str, str], first: str
) -> dict[str, tuple[str, ...]]:
    """Step → languages any of its texts is written in, the instance's own language first."""
    found: dict[str, set[str]] = {step.name: set() for definition in definitions for step in definition.steps}
    for text_name in _texts(name, files):
        if text_name.variant != PACK:
            found.setdefault(text_name.step, set()).add(text_name.language)
    return {step: tuple(sorted(languages, key=lambda each: (each != first, each))) or (first,) for step, languages in found.items()}


def plain_steps(name: str, files: Mapping[str, str]) -> frozenset[str]:
    """Steps that have a text for those to whom no variant applies."""
    return frozenset(text_name.step for text_name in _texts(name, files) if not text_name.variant)


def pack_steps(name: str, files: Mapping[str, str]) -> frozenset[str]:
    """Steps with a text of their own for the pack."""
    return frozenset(text_name.step for text_name in _texts(name, files) if text_name.variant == PACK)


def toolkits_by_step(name: str, files: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Step → codes of the toolkits its texts mention."""
    found: dict[str, tuple[str, ...]] = {}
    for text_name, path in _texts(name, files).items():
        step, _ = parse_step(files[path], path)
        if step is not None:
            found[text_name.step] = tuple(sorted({*found.get(text_name.step, ()), *step.toolkits}))
    return found


def topics_by_step(name: str, files: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Step → subject topics that any of its texts names."""
    found: dict[str, tuple[str, ...]] = {}
    for text_name, path in _texts(name, files).items():
        step, _ = parse_step(files[path], path)
        if step is not None:
            found[text_name.step] = tuple(sorted({*found.get(text_name.step, ()), *step.topics}))
    return found


def _texts(name: str, files: Iterable[str]) -> dict[TextName, str]:
    """The text files of a campaign by what their names say, with their paths."""
    folder = f"campaigns/{name}/"
    names = {path: parse_text_name(path.removeprefix(folder)) for path in files if path.startswith(folder)}
    return {text_name: path for path, text_name in names.items() if text_name is not None}


def has_text(files: Iterable[str], campaign: str, step: str, variant: str) -> bool:
    """Whether a step has a text for this variant ('' for those to whom none applies), in any language."""
    return any(each.step == step and each.variant == variant for each in _texts(campaign, files))


@dataclass(frozen=True)
class Draft:
    """A campaign as its files say now: its definition with frozen segment rules, and every file it reaches.

    ``faults`` is what is wrong with its texts.
    """

    name: str
    definition: CampaignDefinition
    files: dict[str, str]
    faults: tuple[Problem, ...] = ()


def read_drafts(app: App, session: Session, names: Sequence[str] = ()) -> tuple[list[Draft], list[Problem]]:
    """The named campaigns (all, if none is named) with everything wrong in them, their segments and their texts.

    A draft with errors is not among the drafts. Raises InputError for a name that has no folder.
    """
    drafts, problems = read_defined(app, session, names)
    return [draft for draft in drafts if not errors_among(draft.faults)], problems + [fault for draft in drafts for fault in draft.faults]


def read_defined(app: App, session: Session, names: Sequence[str] = ()) -> tuple[list[Draft], list[Problem]]:
    """The named campaigns (all, if none is named) whose definitions are sound, whatever their texts are like; with the problems of others.

    Raises InputError for a name that has no folder.
    """
    there = campaign_names(app)
    for name in names:
        if name not in there:
            hint = make_hint(name, there, f"there are: {', '.join(there) or 'none'}")
            raise InputError(f"there is no campaign '{name}' in {app.templates / 'campaigns'}", hint=hint)
    segments, problems = read_segments(app.audiences / "segments")
    words = load_words(session)
    for name, segment in list(segments.items()):
        unknown = find_unknown_words(segment, words)
        problems += unknown
        if errors_among(unknown):
            del segments[name]
    published = session.execute(select(table_of(Campaign).c.name)).scalars()
    mailing_lists = set(session.execute(select(table_of(MailingList).c.slug)).scalars())
    unreadable = {path.stem for path in (app.audiences / "segments").glob("*.toml")} - segments.keys()
    known = Known(segments, mailing_lists, {*there, *published}, unreadable, words)
    shared = read_tree(app.templates, *SHARED)
    drafts = []
    for name in names or there:
        definition, found, files = _read_definition(app, name, shared, known)
        problems += found
        texts = check_texts(app, name, files, definition.pattern if definition else "")
        if definition and not errors_among(found) and all(each.segment in segments for each in definition.audiences):
            drafts.append(Draft(name, definition, files, tuple(texts)))
        else:
            problems += texts
    return drafts, problems


def _read_definition(
    app: App, name: str, shared: Mapping[str, str], known: Known
) -> tuple[CampaignDefinition | None, list[Problem], dict[str, str]]:
    """What ``campaign.toml`` says, everything wrong in it, and the files the campaign reaches."""
    own = read_tree(app.templates, f"campaigns/{name}")
    path = f"campaigns/{name}/campaign.toml"
    texts = [each.rsplit("/", 1)[-1] for each in own if each.endswith(".md")]
    definition, problems = parse_campaign(own[path], name=name, file=_shown(app, path), texts=texts, known=known)
    return definition, problems, {**shared, **own}


def check_texts(app: App, name: str, files: Mapping[str, str], pattern: str) -> list[Problem]:
    """Everything wrong with the texts of a campaign (path below ``templates/`` → text), each for itself."""
    texts = [each for each in sorted(files) if each.startswith(f"campaigns/{name}/") and each.endswith(".md")]
    found = [problem for each in texts for problem in check_step(files, each, pattern)]
    return [replace(problem, file=_shown(app, problem.file)) for problem in found]


def _shown(app: App, file: str) -> str:
    return (app.templates / file).as_posix()
