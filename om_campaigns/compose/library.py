"""The shelf of editions: which one a letter needs, made once, kept by its hash, compiled once per process.

A letter's wording comes from the latest published version that has its step; what it says of the series – which part it is,
what comes next – from the version its reader entered on, because that is what the reader gets.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlmodel import Session

from om_campaigns.audience.vocabulary import IDEA_NAMES, NATIONWIDE, Sender
from om_campaigns.campaign.definition import CampaignDefinition
from om_campaigns.campaign.models import Campaign, CampaignVersion
from om_campaigns.campaign.reading import PACK
from om_campaigns.campaign.releases import load_files, load_skipped_steps
from om_campaigns.campaign.timing import date_of
from om_campaigns.columns import table_of
from om_campaigns.compose.audience_size import Readers, record_links
from om_campaigns.compose.brand import brand_path, load_brand
from om_campaigns.compose.building import RENDERER, make_edition, make_edition_id
from om_campaigns.compose.contexts import HELP_PAGE, OM_BRAND, Houses, format_date, om_context
from om_campaigns.compose.counted import Counting, may_link
from om_campaigns.compose.edition import Edition, EditionInput, Purpose
from om_campaigns.compose.frontmatter import StepFile, parse_step, read_step
from om_campaigns.compose.models import EditionRow
from om_campaigns.compose.overlay import OwnBlock
from om_campaigns.compose.overlay_log import Logged, OverlayKey, load_current
from om_campaigns.compose.own_look import OwnLook, lay_over
from om_campaigns.compose.typesetting import fix_spaces
from om_campaigns.compose.wording import after_text, days_between, load_wording
from om_campaigns.errors import InputError
from om_campaigns.settings import SenderSettings

COVER = "content/begleitmail"
"""The cover where a step has no text of its own for it."""


KEPT = 512
"""Editions (about 30 KB each) a process keeps at hand."""


@dataclass(frozen=True, slots=True)
class LetterKey:
    """What an edition is made for. ``due_day`` counts only where the text names a date (``due`` in its head)."""

    campaign_id: int
    version_id: int
    step: str
    variant: str
    language: str
    organisation_id: int
    sender: Sender
    due_day: int
    purpose: Purpose = Purpose.letter
    note: str = ""
    """For covers: which way of passing on the note explains (a name of ``NOTES``)."""
    left_out: int = 0
    """How many earlier steps were taken out for its reader."""


@dataclass(frozen=True)
class Source:
    """A published version with its texts."""

    name: str
    definition: CampaignDefinition
    files: Mapping[str, str]
    published_on: date


@dataclass
class Library:
    """Editions for one run. ``made`` holds what is new and not yet stored; see ``record_made``."""

    session: Session
    sender: SenderSettings
    houses: Houses
    pages: str
    """The address of our pages: what links without a token and pictures begin with."""
    readers: Readers | None = None
    """Whose links are counted; None for what nobody gets, such as previews."""
    made: dict[str, Edition] = field(default_factory=dict)
    _countings: dict[str, Counting] = field(default_factory=dict)
    sources: dict[int, Source] = field(default_factory=dict)
    """Published versions, which never change: runs may share them."""
    _latest: dict[int, int] = field(default_factory=dict)
    _older: dict[int, list[int]] = field(default_factory=dict)
    """Versions before the latest of a campaign, the newest first; asked for only where the latest lacks a step."""
    _inputs: dict[LetterKey, tuple[str, EditionInput]] = field(default_factory=dict)
    _kept: OrderedDict[str, Edition] = field(default_factory=OrderedDict)
    _steps: dict[tuple[int, str], StepFile] = field(default_factory=dict)
    _dropped: dict[tuple[int, int], frozenset[str]] = field(default_factory=dict)
    _overlays: dict[int, dict[OverlayKey, dict[str, Logged]]] = field(default_factory=dict)

    def edition_id(self, key: LetterKey) -> str:
        """The hash of the edition a letter needs, without building it."""
        return self._input(key)[0]

    def given(self, key: LetterKey) -> EditionInput:
        """All that edition is made from."""
        return self._input(key)[1]

    def edition(self, key: LetterKey) -> Edition:
        """The edition itself: at hand, stored, or made now. Raises ProblemsError when its texts cannot be composed."""
        edition_id, given = self._input(key)
        found = self._kept.get(edition_id) or self.made.get(edition_id)
        if found is None:
            row = self.session.get(EditionRow, edition_id)
            found = Edition.from_bytes(row.body) if row else self._make(edition_id, given)
        self._keep(edition_id, found)
        return found

    def _make(self, edition_id: str, given: EditionInput) -> Edition:
        """Counted links work once they are stored: whoever only hands over makes none."""
        if given.counting is not None and self.readers is not None and self.readers.opens:
            self._countings[edition_id] = given.counting
        elif given.counting is not None:
            return make_edition(replace(given, counting=None))
        made = self.made[edition_id] = make_edition(given)
        return made

    def base_edition(self, key: LetterKey) -> Edition:
        """The same text as OM wrote it, without the house's own words."""
        return make_edition(replace(self._input(key)[1], overlay=()))

    def record_made(self, session: Session, now: datetime) -> int:
        """Store what was made; the same edition twice is one row. Returns how many are new."""
        known = set(session.execute(select(table_of(EditionRow).c.id).where(table_of(EditionRow).c.id.in_(list(self.made)))).scalars())
        fresh = {edition_id: edition for edition_id, edition in self.made.items() if edition_id not in known}
        session.add_all(
            EditionRow(id=edition_id, renderer=RENDERER, made_at=now, body=edition.to_bytes()) for edition_id, edition in fresh.items()
        )
        session.flush()
        for edition_id, counting in self._countings.items():
            record_links(session, counting, self.made[edition_id].targets, now)
        self.made.clear()
        self._countings.clear()
        return len(fresh)

    def step_file(self, key: LetterKey) -> StepFile:
        """The head of the text a letter is made from."""
        version_id = self._wording_version(key)
        path = self._step_path(key, self._source(version_id))
        if (version_id, path) not in self._steps:
            self._steps[version_id, path] = read_step(self._source(version_id).files[path], path)
        return self._steps[version_id, path]

    def source(self, version_id: int) -> Source:
        return self._source(version_id)

    def published_on(self, key: LetterKey) -> date:
        """The day the wording of a letter was published, or its house last changed it (UTC)."""
        days = [each.at.date() for each in self.overlay(key).values()]
        return max([self._source(self._wording_version(key)).published_on, *days])

    def overlay_key(self, key: LetterKey) -> OverlayKey:
        """The text in which a house speaks for itself: the language is that of the text, not of who asked."""
        language = self.step_file(replace(key, purpose=Purpose.pack)).path.rsplit(".", 2)[-2]
        return OverlayKey(key.organisation_id, key.campaign_id, key.step, language)

    def overlay(self, key: LetterKey) -> dict[str, Logged]:
        """The own words of a house in what it passes on, by block; nothing for any other letter."""
        if key.purpose is not Purpose.pack:
            return {}
        if key.campaign_id not in self._overlays:
            self._overlays[key.campaign_id] = load_current(self.session, key.campaign_id)
        return self._overlays[key.campaign_id].get(self.overlay_key(key), {})

    def _own_words(self, key: LetterKey) -> tuple[OwnBlock, ...]:
        return tuple(each.own for each in self.overlay(key).values())

    def _keep(self, edition_id: str, edition: Edition) -> None:
        self._kept[edition_id] = edition
        self._kept.move_to_end(edition_id)
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)

    def _source(self, version_id: int) -> Source:
        if version_id not in self.sources:
            version = self.session.get_one(CampaignVersion, version_id)
            campaign = self.session.get_one(Campaign, version.campaign_id)
            self.sources[version_id] = Source(
                campaign.name,
                CampaignDefinition.from_structure(version.structure),
                load_files(self.session, version_id),
                version.published_at.date(),
            )
        return self.sources[version_id]

    def latest_version(self, key: LetterKey) -> int:
        """The version of the letter's campaign that was published last."""
        if key.campaign_id not in self._latest:
            campaign = self.session.get_one(Campaign, key.campaign_id)
            self._latest[key.campaign_id] = campaign.latest_version_id or key.version_id
        return self._latest[key.campaign_id]

    def _wording_version(self, key: LetterKey) -> int:
        """The newest version that has the step: a correction reaches everyone not yet served, also of a step that went later."""
        latest = self.latest_version(key)
        if self._source(latest).definition.step(key.step):
            return latest
        if key.campaign_id not in self._older:
            version = table_of(CampaignVersion)
            query = select(version.c.id).where(version.c.campaign_id == key.campaign_id, version.c.id != latest)
            self._older[key.campaign_id] = list(self.session.execute(query.order_by(version.c.number.desc())).scalars())
        return next((each for each in self._older[key.campaign_id] if self._source(each).definition.step(key.step)), key.version_id)

    def _series(self, key: LetterKey) -> CampaignDefinition:
        """The version whose steps the reader of a letter gets."""
        own = self._source(key.version_id).definition
        return own if own.step(key.step) else self._source(self._wording_version(key)).definition

    def pack_style(self, key: LetterKey) -> tuple[dict[str, str], str]:
        """The headings of blocks by their names, and the accent of the brand (``#rrggbb``), for the sheet of a pack."""
        given = self._input(key)[1]
        words = load_wording(given.files, given.language)
        labels = {name: words[name] for name in ("offers", "say", "do") if name in words} | {"action": words["step_now"]}
        return labels, str(load_brand(given.files, given.brand).as_context()["colours"]["accent"])

    def pack_text(self, key: LetterKey) -> bool:
        """The step has a text of its own for the pack, and its letter is the cover."""
        start = f"campaigns/{self._source(self._wording_version(key)).name}/{key.step}.{PACK}."
        return any(path.startswith(start) for path in self._source(self._wording_version(key)).files)

    def _step_path(self, key: LetterKey, source: Source) -> str:
        variant = f".{key.variant}" if key.variant else ""
        stem = f"campaigns/{source.name}/{key.step}"
        stems = [f"{stem}{variant}"]
        if key.purpose is Purpose.pack:
            stems = [f"{stem}.{PACK}", f"{stem}{variant}", stem]
        elif key.purpose is Purpose.cover and not self.pack_text(key):
            stems = [COVER]
        wanted = [f"{each}.{language}.md" for each in stems for language in (key.language, "de", "en")]
        return self._first_of(wanted, source)

    def _first_of(self, wanted: list[str], source: Source) -> str:
        found = next((path for path in wanted if path in source.files), None)
        if found is None:
            raise InputError(f"{wanted[0]}: the published version has no such text", hint="publish the campaign again with that file")
        return found

    def _input(self, key: LetterKey) -> tuple[str, EditionInput]:
        if not self.step_file(key).due_days:
            key = replace(key, due_day=0)
        if key not in self._inputs:
            given = self._make_input(key)
            self._inputs[key] = (make_edition_id(given), given)
        return self._inputs[key]

    def _make_input(self, key: LetterKey) -> EditionInput:
        version_id = self._wording_version(key)
        source = self._source(version_id)
        path = self._step_path(key, source)
        head = self.step_file(key)
        language = path.rsplit(".", 2)[-2]
        definition, series = source.definition, self._series(key)
        toolkits = self.houses.toolkits(head.toolkits, language)
        contact = self.houses.contact_of(key.organisation_id) if key.sender is Sender.home else None
        about = self.step_file(replace(key, purpose=Purpose.pack)) if key.purpose is Purpose.cover else head
        context: dict[str, Any] = {
            "org": {name: fix_spaces(value) for name, value in self.houses.organisation(key.organisation_id).items()},
            "region": self.with_page(
                self.houses.region(key.organisation_id, language, with_contacts="region.contacts" in source.files[path]),
                self.houses.home_region(key.organisation_id),
            ),
            "campaign": {
                "name": source.name,
                "title": (definition.title_en or definition.title) if language == "en" else definition.title,
                "mailing_list": definition.mailing_list,
                "mailing_list_name": self.houses.mailing_list_name(definition.mailing_list, language),
            },
            "step": step_context(key, head, about, language, self._place_in_series(key)),
            "toolkits": toolkits,
            "toolkit": toolkits[0] if toolkits else None,
            "om": om_context(self.sender, self.pages),
            "house_contact": {"name": contact.name, "email": contact.email} if contact else None,
            "sender": key.sender.value,
            "next_step": None if self._stands_alone(key) else self._next_step(series, key, language),
        }
        brand, files = self._brand(key, source)
        note = self._first_of([f"{key.note}.{each}.md" for each in (language, "de", "en")], source) if key.note else ""
        return EditionInput(
            files=files,
            step_path=path,
            language=language,
            brand=brand,
            context=context,
            purpose=key.purpose,
            note=note,
            overlay=self._own_words(key),
            pages=self.pages,
            counting=self._counting(key, version_id) if definition.count_links else None,
        )

    def _brand(self, key: LetterKey, source: Source) -> tuple[str, Mapping[str, str]]:
        """The brand that speaks, and the files with it."""
        brand = self.houses.brand(key.organisation_id) if key.sender is Sender.home else OM_BRAND
        if isinstance(brand, OwnLook):
            return lay_over(source.files, brand, self.pages)
        return (brand if brand_path(brand) in source.files else OM_BRAND), source.files

    def _counting(self, key: LetterKey, version_id: int) -> Counting | None:
        """The letter to its reader and what is passed on are counted, each apart; a cover has one reader."""
        if self.readers is None or key.purpose is Purpose.cover or version_id != self._latest[key.campaign_id]:
            return None
        head = self.step_file(key)
        if not (head.call_to_action.how == "link" or may_link(head.body, *(own.text for own in self._own_words(key)))):
            return None
        text = (key.step, key.variant, key.language, key.purpose is Purpose.pack)
        return self.readers.counting(self.session, key.campaign_id, version_id, text, key.organisation_id)

    def with_page(self, region: dict[str, Any], ags: str) -> dict[str, Any]:
        """A region with the page that says who helps in that place; it knows nobody, so it may be passed on (FWD-01).

        The page looks further by itself where nobody helps there, so it is that of the house and not of its neighbours.
        """
        place = "" if ags == NATIONWIDE else f"/{ags}"
        return region | {"page": f"{self.pages}/{HELP_PAGE}{place}"}

    def _stands_alone(self, key: LetterKey) -> bool:
        """Its readers get no other step of the campaign: a pack of one letter, a step that only some get."""
        step = self._series(key).step(key.step)
        return (key.purpose is Purpose.pack and self.pack_text(key)) or bool(step and step.when)

    def _place_in_series(self, key: LetterKey) -> tuple[int, int]:
        """Which part of how many a letter is to its reader. Steps that only some get do not count, nor those that were taken out."""
        if self._stands_alone(key):
            return 1, 1
        names = [step.name for step in self._series(key).steps if not step.when]
        here = names.index(key.step)
        position = max(here + 1 - key.left_out, 1)
        return position, position + sum(name not in self._steps_taken_out(key) for name in names[here + 1 :])

    def _steps_taken_out(self, key: LetterKey) -> frozenset[str]:
        """Steps of the reader's series that nobody gets any more: skipped by somebody, or about a toolkit that was withdrawn."""
        place = (key.campaign_id, key.version_id)
        if place not in self._dropped:
            skipped = load_skipped_steps(self.session, key.campaign_id)
            names = {step.name for step in self._series(key).steps}
            self._dropped[place] = frozenset(name for name in names if name in skipped or self._is_withdrawn(replace(key, step=name)))
        return self._dropped[place]

    def _is_withdrawn(self, key: LetterKey) -> bool:
        source = self._source(self._wording_version(key))
        start = f"campaigns/{source.name}/{key.step}."
        heads = (parse_step(text, path)[0] for path, text in source.files.items() if path.startswith(start) and path.endswith(".md"))
        return any(self.houses.is_withdrawn(code) for head in heads if head is not None for code in head.toolkits)

    def _next_step(self, series: CampaignDefinition, key: LetterKey, language: str) -> dict[str, str] | None:
        """What comes next, and when; nothing where that is a step which only some get."""
        here, days = series.step(key.step), 0
        following = series.step_after(key.step)
        while here is not None and following is not None:
            days, here = days + days_between(here, following), following
            if following.name not in self._steps_taken_out(key):
                break
            following = series.step_after(following.name)
        if following is None or following.when:
            return None
        source = self._source(self._wording_version(replace(key, step=following.name)))
        path = next(
            (path for path in (f"campaigns/{source.name}/{following.name}.{each}.md" for each in (language, "de")) if path in source.files),
            None,
        )
        subject = read_step(source.files[path], path).subject if path else ""
        if not subject or "{" in subject:
            return None
        return {"subject": subject, "after": after_text(days, language)}


def step_context(key: LetterKey, head: StepFile, about: StepFile, language: str, place: tuple[int, int] = (1, 1)) -> dict[str, Any]:
    """``about``: the text that says what the step is about, where a cover only introduces it. ``place``: which part of how many."""
    due = date_of(key.due_day) + timedelta(days=head.due_days) if head.due_days else None
    return {
        "name": key.step,
        "subject": "" if "{" in head.subject else head.subject,
        "ideas": [str(idea) for idea in about.ideas],
        "idea_names": [IDEA_NAMES[idea][language] for idea in about.ideas],
        "topics": list(head.topics),
        "position": place[0],
        "count": place[1],
        "due_date": format_date(due, language) if due else "",
        "call_to_action": head.call_to_action.text,
    }
