"""The lint over a workspace: every text once as its readers get it, every layout once in the colours of every brand.

A fault of the look is told once with the layout or the brand it comes from, not with each of thirty texts.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from itertools import product

from sqlalchemy import select
from sqlmodel import Session, col

from om_campaigns.app import App
from om_campaigns.audience.models import Organisation
from om_campaigns.audience.vocabulary import Level, OrganisationStatus, Route, Sender
from om_campaigns.campaign.models import Campaign
from om_campaigns.campaign.reading import PACK
from om_campaigns.campaign.releases import publish
from om_campaigns.campaign.timing import load_zone, local_day
from om_campaigns.campaign.vocabulary import CampaignStatus
from om_campaigns.columns import table_of
from om_campaigns.compose.brand import brand_path
from om_campaigns.compose.building import make_edition, make_neutral
from om_campaigns.compose.contexts import OM_BRAND
from om_campaigns.compose.edition import Edition, EditionInput, Purpose, show_html, show_subject, show_text
from om_campaigns.compose.library import COVER, LetterKey, Library
from om_campaigns.compose.lint import Finding, Rendered, lint, lint_fragment, read_allowed
from om_campaigns.compose.lint.specimen import make_specimen
from om_campaigns.compose.pack import Format, make_file
from om_campaigns.compose.public_version import neutral_input
from om_campaigns.errors import InputError, Problem, ProblemsError
from om_campaigns.letters.composer import Composer, make_composer
from om_campaigns.letters.owed_editions import carries_pack
from om_campaigns.letters.packing import BLOCK_NOTE, NOTES, PackRow, make_pack_text, make_values, pack_key
from om_campaigns.letters.recipients import Recipient
from om_campaigns.letters.texts import Draft, has_text, languages_by_step, read_tree
from om_campaigns.staff.browser import PHONE, measure_widths

LANGUAGES = ("de", "en")

READER = Recipient(0, "erika.muster@haus.example", "vorschau", "Erika Muster", "contact")
"""Whom letters are written to that nobody gets."""

SAMPLE_CODE = "ABC-DEFG"
SAMPLE_REF = "muster"
"""Stand in covers that nobody gets; no pack has them."""

WRITTEN = (Format.eml, Format.html, Format.text, Format.markdown, Format.snippet)
"""The forms of a pack that are made from its text without setting a page."""

ALLOWANCES = "lint.toml"

QUOTED = re.compile("„[^“]*“")

SPECIMEN_VALUES = {
    "contact.greeting": "Guten Tag Erika Muster",
    "contact.full_name": "Erika Muster",
    "contact.masked_email": "e…@haus.example",
    "contact.reason": "weil Sie sich dafür angemeldet haben.",
    "links.web": "https://om.example/web",
    "links.answer": "https://om.example/antwort",
    "links.preferences": "https://om.example/takt",
    "links.unsubscribe": "https://om.example/abmelden",
}


def lint_drafts(app: App, session: Session, drafts: Sequence[Draft], now: datetime, *, measured: bool = False) -> list[Problem]:
    """Everything wrong with the finished letters of these drafts. The session is rolled back by whoever opened it.

    ``measured``: their width is measured in Chromium; raises InputError where there is none.
    """
    return find_faults(app, session, drafts, now, measured=measured)[0]


def find_faults(
    app: App, session: Session, drafts: Sequence[Draft], now: datetime, *, measured: bool = False
) -> tuple[list[Problem], set[Problem]]:
    """The same, and those among it because of which a letter cannot be made at all."""
    allowed, problems = load_allowances(app)
    desk = _Desk(make_composer(app, session), now, allowed, problems)
    house_id = some_house(session)
    over = set(session.execute(select(col(Campaign.name)).where(col(Campaign.status) == CampaignStatus.stopped)).scalars())
    for draft in (each for each in drafts if each.name not in over):  # nobody gets a letter of those any more
        try:
            version = publish(session, draft.name, draft.definition, draft.files, now, "check")
        except InputError as error:
            desk.cannot_make([Problem(f"campaigns/{draft.name}/campaign.toml", 0, 0, "reference", str(error))])
            continue
        desk.cannot_make(find_missing_texts(draft))
        day = local_day(now, load_zone(desk.composer.houses.zone(house_id, app.settings.zone)))
        blank = LetterKey(version.campaign.id, version.version_id, "", "", "", house_id, Sender.om, day)
        for key in _keys(draft, blank, desk.composer.library, app.settings.language):
            desk.check(draft.name, key)
        if draft.definition.is_public:
            desk.problems += _find_personal_steps(draft, version.version_id, desk.composer.library)
    if measured:
        desk.problems += _find_wide(desk.letters)
    return list(dict.fromkeys(desk.problems)), desk.unmakeable


def _find_wide(letters: Sequence[tuple[EditionInput, str]]) -> Iterator[Problem]:
    for (given, _), width in zip(letters, measure_widths([html for _, html in letters]), strict=True):
        if width > PHONE:
            about = f"{given.purpose.value}, brand {given.brand}"
            yield Problem(given.step_path, 0, 0, "REN-18", f"the letter is {width} px wide on a phone of {PHONE} ({about}, measured)")


def _find_personal_steps(draft: Draft, version_id: int, library: Library) -> Iterator[Problem]:
    """Texts that will be missing in the archive, because they cannot be without their reader (SEC-24)."""
    for step, language in product(draft.definition.steps, LANGUAGES):
        given = neutral_input(library, version_id, step.name, language)
        try:
            if given is not None:
                make_neutral(given)
        except ProblemsError as error:
            first = error.problems[0]
            text = f"this step will be missing in the archive: {first.text}; leave that out, or say 'public = false' in campaign.toml"
            yield Problem(given.step_path if given else first.file, first.line, first.column, "SEC-24", text, is_warning=True)


def load_allowances(app: App) -> tuple[Collection[str], list[Problem]]:
    """Features the letters of this workspace may use beside those that are always allowed, from ``templates/lint.toml``."""
    source = read_tree(app.templates, ALLOWANCES).get(ALLOWANCES, "")
    return read_allowed(source, ALLOWANCES)


@dataclass
class _Desk:
    """Where letters are laid out and looked at. ``look`` are the faults of layouts and brands, known before any text is read."""

    composer: Composer
    now: datetime
    allowed: Collection[str]
    problems: list[Problem]
    look: set[tuple[str, str]] = field(default_factory=set)
    seen: set[tuple[str, Purpose, str]] = field(default_factory=set)
    letters: list[tuple[EditionInput, str]] = field(default_factory=list)
    """What was looked at, as HTML."""
    unmakeable: set[Problem] = field(default_factory=set)

    def cannot_make(self, problems: Sequence[Problem]) -> None:
        """Add faults because of which there is no letter."""
        self.problems += problems
        self.unmakeable.update(problems)

    def check(self, campaign: str, key: LetterKey) -> None:
        """Add what is wrong with one letter, unless its text was looked at before."""
        try:
            given = self.composer.library.given(key)
            if not self.seen:
                self._check_looks(given)
            mark = (given.step_path, given.purpose, given.note)
            if mark not in self.seen:
                self.seen.add(mark)
                self._check_letter(key, given)
        except ProblemsError as error:
            self.cannot_make(error.problems)
        except InputError as error:
            self.cannot_make([Problem(f"campaigns/{campaign}", 0, 0, "text", f"{key.step}: {error}")])

    def _check_letter(self, key: LetterKey, given: EditionInput) -> None:
        edition = self.composer.library.edition(key)
        values = sample_values(self.composer, key, edition, READER, self.now)
        self.letters.append((given, show_html(edition, values)))
        found = lint_edition(given, edition, values, self.allowed)
        self.problems += [as_problem(each, given) for each in found if _kind(each) not in self.look]
        if given.purpose is Purpose.pack:
            self._check_files(key, given)

    def _check_looks(self, like: EditionInput) -> None:
        """Every layout in the colours of every brand, as a letter and as a pack; what OM's own brand shows is the layout's."""
        brands = sorted((path[7:-5] for path in like.files if path.startswith("brands/")), key=lambda name: (name != OM_BRAND, name))
        layouts = sorted(path[8:-5] for path in like.files if path.startswith("layouts/") and path.endswith(".mjml"))
        for layout, brand, purpose in product(layouts, brands, (Purpose.letter, Purpose.pack)):
            given = make_specimen(like, layout, brand, purpose)
            try:
                edition = make_edition(given)
            except ProblemsError as error:
                self.cannot_make(error.problems)
                continue
            file = f"layouts/{layout}.mjml" if brand == OM_BRAND else brand_path(brand)
            for finding in lint_edition(given, edition, SPECIMEN_VALUES, self.allowed):
                if _kind(finding) not in self.look:
                    self.look.add(_kind(finding))
                    self.problems.append(Problem(file, 0, 0, finding.rule_id, finding.text, finding.is_warning))

    def _check_files(self, key: LetterKey, given: EditionInput) -> None:
        """What would be passed on holds nothing personal (FWD-01 … FWD-06) and fits a newsletter tool (FWD-14)."""
        text = make_pack_text(self.composer.library, key)
        for form in WRITTEN:
            try:
                content = make_file(text, form)
            except ProblemsError as error:
                self.cannot_make([replace(each, file=given.step_path, text=f"{each.file}: {each.text}") for each in error.problems])
            except ValueError as error:
                self.problems.append(Problem(given.step_path, 0, 0, "FWD-14", str(error)))
            else:
                if form is Format.snippet:
                    found = lint_fragment(content.decode("ascii"), self.allowed)
                    self.problems += [as_problem(each, given) for each in found if _kind(each) not in self.look]


def find_missing_texts(draft: Draft) -> list[Problem]:
    """Texts beside the campaign that its routes need: without them covers would be held back, house by house."""
    routes = {route for audience in draft.definition.audiences for route in audience.routes}
    own_covers = [has_text(draft.files, draft.name, step.name, PACK) for step in draft.definition.steps]
    is_direct_cover = Route.direct_email in routes and any(own_covers)
    needed = []
    if routes & {Route.forward_pack, Route.newsletter_block} and not all(own_covers):
        needed.append(COVER)
    if Route.forward_pack in routes or is_direct_cover:
        needed += NOTES.values()
    if routes & {Route.forward_pack, Route.newsletter_block}:
        needed.append(BLOCK_NOTE)
    said = f"'{draft.name}' passes on through houses, and that needs this text; 'init' in an empty folder brings one to begin with"
    return [Problem(f"{stem}.de.md", 0, 0, "text", said) for stem in needed if not _is_there(draft, stem)]


def _is_there(draft: Draft, stem: str) -> bool:
    return any(f"{stem}.{language}.md" in draft.files for language in LANGUAGES)


def some_house(session: Session) -> int:
    """A house to write letters for: the first active one; an invented one where there is none yet."""
    house = table_of(Organisation)
    found = session.execute(select(house.c.id).where(house.c.status == OrganisationStatus.active).order_by(house.c.id).limit(1)).scalar()
    if found is None:
        invented = Organisation(slug="musterhaus", name="Musterhaus", name_key="musterhaus", org_type="enterprise", level=Level.local)
        session.add(invented)
        session.flush()
        found = invented.id
    return int(found or 0)


def _keys(draft: Draft, first: LetterKey, library: Library, language: str) -> Iterator[LetterKey]:
    """Every letter of a draft, and every mail of its packs: what is passed on, and the cover with each note on how."""
    spoken = languages_by_step(draft.name, [draft.definition], draft.files, language)
    notes = [note for note in dict.fromkeys([*NOTES.values(), BLOCK_NOTE]) if _is_there(draft, note)]
    for audience, step in product(draft.definition.audiences, draft.definition.steps):
        variants = filter(partial(has_text, draft.files, draft.name, step.name), ("", *(each.name for each in step.variants)))
        for variant, each in product(variants, spoken[step.name]):
            key = replace(first, step=step.name, variant=variant, language=each, sender=Sender(audience.sender))
            if any(carries_pack(key, route, library) for route in audience.routes):
                yield pack_key(key)
                if _is_there(draft, COVER) or library.pack_text(key):
                    yield from (replace(key, purpose=Purpose.cover, note=note) for note in notes)
            else:
                yield key


def sample_values(composer: Composer, key: LetterKey, edition: Edition, reader: Recipient, now: datetime) -> dict[str, str]:
    """The personal values of a letter that nobody gets; its links open nothing (MSG-26)."""
    mailing_list = composer.library.source(key.version_id).definition.mailing_list
    values = {**composer.values(key, edition, reader), **composer.links(reader, key.organisation_id, mailing_list, inert=True).slots}
    values |= composer.answer_link(key, edition, reader, inert=True)
    if key.purpose is Purpose.cover:
        house = key.organisation_id
        pack = PackRow(0, SAMPLE_REF, SAMPLE_CODE, 0, house, (house,), (house,), ())
        values |= composer.pack_link(reader, house, SAMPLE_REF, inert=True)
        values |= make_values(pack, composer.library.edition(pack_key(key)), composer.houses, now.date(), edition.language)
    return values


def lint_edition(given: EditionInput, edition: Edition, values: Mapping[str, str], allowed: Collection[str]) -> list[Finding]:
    """What the lint says of one letter as one reader gets it."""
    om = given.context["om"]
    is_pack = given.purpose is Purpose.pack
    letter = Rendered(
        subject=show_subject(edition, values),
        preheader=edition.preheader.joined([f"[{use.path}]" for use in edition.slots], lambda _, value: value),
        html=show_html(edition, values),
        text=show_text(edition, values),
        om_name=om["name"],
        imprint=tuple(filter(None, (" ".join(om["imprint"].split()), om["imprint_url"]))),
        unsubscribe="" if is_pack else values["links.unsubscribe"],
        reader="" if is_pack else values["contact.full_name"],
    )
    return lint(letter, allowed)


def as_problem(finding: Finding, given: EditionInput) -> Problem:
    """Where in its text the words of a finding stand; the text as a whole if they come from elsewhere."""
    for path in filter(None, (given.step_path, given.note)):
        source = given.files[path]
        where = source.find(finding.near) if finding.near else -1
        if where >= 0:
            line, column = source.count("\n", 0, where) + 1, where - source.rfind("\n", 0, where)
            return Problem(path, line, column, finding.rule_id, finding.text, finding.is_warning)
    about = f"{finding.text} ({given.purpose.value}, brand {given.brand})"
    return Problem(given.step_path, 0, 0, finding.rule_id, about, finding.is_warning)


def _kind(finding: Finding) -> tuple[str, str]:
    """The same fault, whichever words it was seen at."""
    return finding.rule_id, QUOTED.sub("", finding.text)
