"""The archive: every public step that was sent, as anybody may read it; found by list, campaign, idea, toolkit and words."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlmodel import Session

from om_campaigns import events, store
from om_campaigns.app import App
from om_campaigns.audience.models import Organisation, Touch
from om_campaigns.audience.toolkits import Toolkit
from om_campaigns.audience.vocabulary import IDEA_NAMES, Idea
from om_campaigns.campaign.models import Blob, Campaign, CampaignFile, CampaignVersion
from om_campaigns.columns import table_of
from om_campaigns.compose.building import make_neutral
from om_campaigns.compose.edition import EditionInput
from om_campaigns.compose.frontmatter import parse_step
from om_campaigns.compose.library import Library, Source
from om_campaigns.compose.models import LogoPicture
from om_campaigns.compose.pictures import KEY_LENGTH as KEY_LENGTH
from om_campaigns.compose.pictures import PICTURE_PATH as PICTURE_PATH
from om_campaigns.compose.pictures import decode, is_picture, media_of
from om_campaigns.compose.public_version import make_page_html, neutral_input
from om_campaigns.compose.wording import load_wording
from om_campaigns.errors import ProblemsError
from om_campaigns.letters.owed_editions import open_library

LATE = timedelta(hours=1)
"""A touch may be recorded so long after others of a later time: looking again goes back so far."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One step in the archive. ``language`` is that of its words, which may be another than the reader's, as may that of the campaign's
    title. ``first_at``: when it first left; ``updated_at``: when its words last changed (FWD-13).
    """

    campaign: str
    campaign_title: str
    campaign_language: str
    mailing_list: str
    mailing_list_name: str
    step: str
    language: str
    title: str
    summary: str
    ideas: tuple[str, ...]
    topics: tuple[str, ...]
    toolkits: tuple[str, ...]
    html: str
    words: str
    first_at: datetime
    updated_at: datetime

    @property
    def path(self) -> str:
        """Below the base URL; the same for ever."""
        return f"archiv/{self.mailing_list}/{self.campaign}/{self.step}"

    @property
    def changed_at(self) -> datetime:
        """When it last became something new to its readers: a text is published before it first leaves."""
        return max(self.updated_at, self.first_at)


@dataclass(frozen=True, slots=True)
class Question:
    """What somebody looks for; empty fields are not asked about. ``words`` must all occur."""

    mailing_list: str = ""
    campaign: str = ""
    idea: str = ""
    toolkit: str = ""
    house: str = ""
    words: str = ""


class Archive:
    """Neutral texts of published versions, made again when anything they say of houses or toolkits has changed.

    What does not change is asked once: the files of a version, and which touch of a step was the first, as long as that touch stands.
    """

    def __init__(self, app: App) -> None:
        self._app = app
        self._sources: dict[int, Source] = {}
        self._made: dict[tuple[int, str, str], tuple[EditionInput, Entry | None]] = {}
        self._first: dict[tuple[int, str], tuple[int, datetime]] = {}
        self._reached: dict[int, _Reached] = {}
        self._lock = threading.Lock()

    def load(self, language: str, question: Question = Question()) -> list[Entry]:
        """What fits, the newest first."""
        with store.read(self._app.engine) as session:
            library = open_library(self._app, session, counts=False)
            library.sources = self._sources
            steps = self._steps_of_house(session, question.house) if question.house else self._sent_steps(session, library)
            found = [entry for each in steps if (entry := self._entry(library, *each, language)) is not None]
        return choose(sorted(found, key=lambda each: (each.first_at, each.campaign, each.step), reverse=True), question)

    def _sent_steps(self, session: Session, library: Library) -> list[tuple[int, str, datetime]]:
        """(latest version, step, first hand-over) of every public step that reached anybody, also of stopped campaigns."""
        standing, found = _find_standing(session, [number for number, _ in self._first.values()]), []
        for campaign_id, version_id in _load_versions(session):
            definition = library.source(version_id).definition
            for step in definition.steps if definition.is_public else ():
                first = self._first.get((campaign_id, step.name))
                if first is None or first[0] not in standing:
                    first = _find_first(session, campaign_id, step.name)
                if first is not None:
                    self._first[campaign_id, step.name] = first
                    found.append((version_id, step.name, first[1]))
        return found

    def _steps_of_house(self, session: Session, slug: str) -> list[tuple[int, str, datetime]]:
        """The same for what reached one house. Only what came since it was last asked is looked at."""
        organisation = table_of(Organisation)
        house = session.execute(select(organisation.c.id).where(organisation.c.slug == slug)).scalar_one_or_none()
        if house is None:
            return []
        reached = self._reached[house] = _look_again(session, house, self._reached.get(house, NOWHERE))
        versions = dict(_load_versions(session))
        return [(versions[campaign_id], step, at) for (campaign_id, step), at in reached.first.items() if campaign_id in versions]

    def toolkit_names(self, codes: Collection[str], language: str) -> dict[str, str]:
        """The names of these toolkits, in their order; the code where it has no name (any more)."""
        toolkit = table_of(Toolkit)
        with store.read(self._app.engine) as session:
            rows = session.execute(select(toolkit.c.code, toolkit.c.name, toolkit.c.name_en).where(toolkit.c.code.in_(codes)))
            names = {row.code: (row.name_en if language == "en" else "") or row.name for row in rows}
        return dict(sorted(((code, names.get(code, code)) for code in codes), key=lambda each: each[1].casefold()))

    def _entry(self, library: Library, version_id: int, step: str, first_at: datetime, language: str) -> Entry | None:
        definition = library.source(version_id).definition
        if not definition.is_public or definition.step(step) is None:
            return None
        given = neutral_input(library, version_id, step, language)
        if given is None:
            return None
        key, about = (version_id, step, language), replace(given, files={})  # those of a version never change
        with self._lock:
            if key not in self._made or self._made[key][0] != about:
                self._made[key] = (about, _make_entry(library, version_id, step, language, given))
            made = self._made[key][1]
        return replace(made, first_at=first_at) if made else None


def idea_names(language: str) -> dict[str, str]:
    """The five OM ideas by their code."""
    return {idea.value: names[language] for idea, names in IDEA_NAMES.items()}


@dataclass(frozen=True, slots=True)
class _Reached:
    """What had reached a house by the instant ``until``, that of its latest touch: (campaign, step) → first hand-over."""

    until: datetime | None
    first: dict[tuple[int, str], datetime]


NOWHERE = _Reached(None, {})


def _load_versions(session: Session) -> list[tuple[int, int]]:
    """Campaigns with their latest versions."""
    campaign = table_of(Campaign)
    query = select(campaign.c.id, campaign.c.latest_version_id).where(campaign.c.latest_version_id.is_not(None))
    return [(row[0], row[1]) for row in session.execute(query.order_by(campaign.c.id))]


def _find_first(session: Session, campaign_id: int, step: str) -> tuple[int, datetime] | None:
    """The first touch of a step, and when it was; what was asked for later (service) is none."""
    touch = table_of(Touch)
    query = select(touch.c.id, touch.c.at).where(touch.c.campaign_id == campaign_id, touch.c.step == step, ~touch.c.service)
    row = session.execute(query.order_by(touch.c.at).limit(1)).one_or_none()
    return (row[0], row[1]) if row else None


def _find_standing(session: Session, touches: Collection[int]) -> set[int]:
    """Those that are still there: going live forgets the rehearsal."""
    touch = table_of(Touch)
    return set(session.execute(select(touch.c.id).where(touch.c.id.in_(touches))).scalars()) if touches else set()


def _look_again(session: Session, house: int, known: _Reached) -> _Reached:
    touch = table_of(Touch)
    theirs = touch.c.organisation_id == house
    if known.until is not None and session.execute(select(touch.c.id).where(theirs, touch.c.at == known.until).limit(1)).first() is None:
        known = NOWHERE  # what was there is forgotten
    query = select(touch.c.campaign_id, touch.c.step, func.min(touch.c.at), func.max(touch.c.at)).where(theirs, ~touch.c.service)
    if known.until is not None:
        query = query.where(touch.c.at >= known.until - LATE)
    first, until = dict(known.first), known.until
    for campaign_id, step, at, last in session.execute(query.group_by(touch.c.campaign_id, touch.c.step)):
        first[campaign_id, step] = min(at, first.get((campaign_id, step), at))
        until = max(last, until or last)
    return _Reached(until, first)


def _make_entry(library: Library, version_id: int, step: str, language: str, given: EditionInput) -> Entry | None:
    """The step as a page; None, and a line in the log, for a text that cannot be without its reader."""
    version = library.session.get_one(CampaignVersion, version_id)
    source = library.source(version_id)
    definition, files = source.definition, source.files
    try:
        neutral = make_neutral(given)
    except ProblemsError as error:
        events.step_not_archived(definition.name, step, str(error.problems[0]))
        return None
    words = load_wording(files, given.language)
    labels = {name: words[name] for name in ("offers", "say", "do") if name in words} | {"action": words["step_now"]}
    heads = [parse_step(body, path)[0] for path, body in files.items() if path.startswith(f"campaigns/{definition.name}/{step}.")]
    return Entry(
        campaign=definition.name,
        campaign_title=(definition.title_en or definition.title) if language == "en" else definition.title,
        campaign_language=language if definition.title_en else "de",
        mailing_list=definition.mailing_list,
        mailing_list_name=library.houses.mailing_list_name(definition.mailing_list, language),
        step=step,
        language=given.language,
        title=neutral.subject,
        summary=neutral.preheader,
        ideas=_joined(heads, "ideas"),
        topics=_joined(heads, "topics"),
        toolkits=_joined(heads, "toolkits"),
        html=make_page_html(neutral.markdown, labels, given.language),
        words=f"{neutral.subject} {neutral.preheader} {neutral.markdown}".casefold(),
        first_at=version.published_at,
        updated_at=_changed_at(library.session, version, f"campaigns/{definition.name}/{step}."),
    )


def _joined(heads: list[Any], name: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(str(value) for head in heads if head is not None for value in getattr(head, name)))


def _changed_at(session: Session, version: CampaignVersion, prefix: str) -> datetime:
    """When the present texts of a step were first published: another step that changes does not change this one."""
    file, versions = table_of(CampaignFile), table_of(CampaignVersion)
    query = (
        select(versions.c.id, versions.c.published_at, file.c.path, file.c.blob_hash)
        .join(file, file.c.version_id == versions.c.id)
        .where(versions.c.campaign_id == version.campaign_id, file.c.path.startswith(prefix, autoescape=True))
        .order_by(versions.c.number.desc())
    )
    texts: dict[int, set[tuple[str, str]]] = {}
    published: dict[int, datetime] = {}
    for number, at, path, blob in session.execute(query):
        texts.setdefault(number, set()).add((path, blob))
        published[number] = at
    since = version.published_at
    for number, found in texts.items():
        if found != texts.get(version.id):
            break
        since = published[number]
    return since


def choose(entries: Iterable[Entry], question: Question) -> list[Entry]:
    """Those that fit, in the same order. A house is not looked at here: ``load`` asks for its letters only."""
    return [each for each in entries if _fits(each, question)]


def _fits(entry: Entry, question: Question) -> bool:
    asked = (
        (question.mailing_list, entry.mailing_list),
        (question.campaign, entry.campaign),
    )
    if any(wanted not in ("", found) for wanted, found in asked):
        return False
    if question.idea and question.idea not in entry.ideas:
        return False
    if question.toolkit and question.toolkit not in entry.toolkits:
        return False
    return all(word in entry.words for word in question.words.casefold().split()[:10])


def is_idea(word: str) -> bool:
    """Whether a word is the code of an OM idea."""
    return word in set(Idea)


def load_picture(app: App, key: str, name: str) -> tuple[str, bytes] | None:
    """Media type and bytes of a picture, by the beginning of its hash and its name; None where no published text and no house has it.

    Pictures of older versions stay: a letter is read for years (FWD-06).
    """
    # as a range, hexadecimal before "g", so that the key's index serves
    file, blob = table_of(CampaignFile), table_of(Blob)
    query = select(file.c.path, blob.c.body).join(blob, blob.c.hash == file.c.blob_hash)
    with store.read(app.engine) as session:
        if logo := session.get(LogoPicture, f"{key}/{name}"):
            return media_of(name), logo.body
        rows = session.execute(query.where(blob.c.hash >= key, blob.c.hash < f"{key}g").distinct()).all()
    kept = next((body for path, body in rows if is_picture(path) and path.rsplit("/", 1)[-1] == name), None)
    return None if kept is None else (media_of(name), decode(kept))
