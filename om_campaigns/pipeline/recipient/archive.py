"""The archive: every public step that was sent, as anybody may read it; found by list, campaign, idea, toolkit and words."""

from __future__ import annotations

import threading
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlmodel import Session

from om_campaigns import events, store
from om_campaigns.app import App
from om_campaigns.audience.models import Organisation, Toolkit, Touch
from om_campaigns.audience.vocabulary import IDEA_NAMES, Idea
from om_campaigns.campaign.models import Campaign, CampaignFile, CampaignVersion
from om_campaigns.columns import table_of
from om_campaigns.compose.archived import make_page_html
from om_campaigns.compose.building import make_edition_id, make_neutral
from om_campaigns.compose.edition import EditionInput
from om_campaigns.compose.frontmatter import parse_step
from om_campaigns.compose.library import Library, Source
from om_campaigns.compose.neutral import neutral_input
from om_campaigns.compose.wording import load_wording
from om_campaigns.errors import ProblemsError
from om_campaigns.pipeline.letters.libraries import open_library


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
    """Neutral texts of published versions, made again when anything they say of houses or toolkits has changed."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._sources: dict[int, Source] = {}
        self._made: dict[tuple[int, str, str], tuple[str, Entry | None]] = {}
        self._lock = threading.Lock()

    def load(self, language: str, question: Question = Question()) -> list[Entry]:
        """What fits, the newest first."""
        with store.read(self._app.engine) as session:
            library = open_library(self._app, session, counts=False)
            library.sources = self._sources
            steps = _sent_steps(session, question.house)
            found = [entry for each in steps if (entry := self._entry(library, *each, language)) is not None]
        return sorted(
            (each for each in found if _fits(each, question)), key=lambda each: (each.first_at, each.campaign, each.step), reverse=True
        )

    def toolkits(self, language: str) -> dict[str, str]:
        """Code and name of every toolkit that some letter mentions, by name."""
        return self.toolkit_names({code for entry in self.load(language) for code in entry.toolkits}, language)

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
        key, made_from = (version_id, step, language), make_edition_id(given)
        with self._lock:
            if self._made.get(key, ("", None))[0] != made_from:
                self._made[key] = (made_from, _make_entry(library, version_id, step, language, given))
            made = self._made[key][1]
        return replace(made, first_at=first_at) if made else None


def idea_names(language: str) -> dict[str, str]:
    """The five OM ideas by their code."""
    return {idea.value: names[language] for idea, names in IDEA_NAMES.items()}


def _sent_steps(session: Session, house: str) -> list[tuple[int, str, datetime]]:
    """(latest version, step, first hand-over) of every step that reached anybody, or one house, also of stopped campaigns."""
    touch, campaign, organisation = table_of(Touch), table_of(Campaign), table_of(Organisation)
    query = (
        select(campaign.c.latest_version_id, touch.c.step, func.min(touch.c.at))
        .join(campaign, campaign.c.id == touch.c.campaign_id)
        .where(campaign.c.latest_version_id.is_not(None), ~touch.c.service)
        .group_by(campaign.c.latest_version_id, touch.c.step)
    )
    if house:
        query = query.join(organisation, organisation.c.id == touch.c.organisation_id).where(organisation.c.slug == house)
    return [(row[0], row[1], row[2]) for row in session.execute(query)]


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
        if found != texts.get(version.id or 0):
            break
        since = published[number]
    return since


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
