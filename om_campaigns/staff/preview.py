"""Letters to look at before anybody gets them: drafts composed as they would be sent, and real test mails to ourselves.

A draft is published inside a transaction that is rolled back, so what is shown is made by the code that sends (MSG-26).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from sqlmodel import Session

from om_campaigns import store
from om_campaigns.app import App
from om_campaigns.audience.addresses import normalise
from om_campaigns.audience.seats import ADDRESS, SEAT, has_role, seats_at, select_sitting
from om_campaigns.audience.segments import subjects
from om_campaigns.audience.vocabulary import Role, Sender
from om_campaigns.campaign.definition import Audience, CampaignDefinition, Step
from om_campaigns.campaign.models import Campaign
from om_campaigns.campaign.receivers import segment_of
from om_campaigns.campaign.releases import PUBLISHED, load_campaign_ids, publish
from om_campaigns.campaign.timing import load_zone, local_day
from om_campaigns.compose.edition import show_html, show_subject, show_text
from om_campaigns.compose.library import LetterKey
from om_campaigns.compose.message import Attachment
from om_campaigns.delivery.models import Part
from om_campaigns.errors import InputError, InstallationError, Problem, ProblemsError, RefusedError
from om_campaigns.letters.composer import Composer, Extra, make_composer
from om_campaigns.letters.owed_editions import carries_pack
from om_campaigns.letters.packing import PartPlan, make_attachments, pack_key, plan_parts
from om_campaigns.letters.recipients import Recipient, load_recipients
from om_campaigns.letters.texts import has_text, languages_by_step, read_drafts
from om_campaigns.nearest import make_hint
from om_campaigns.staff.linting import READER, as_problem, lint_edition, load_allowances, sample_values, some_house
from om_campaigns.store import Mode
from om_campaigns.transport import Envelope, Kind, Outcome


@dataclass(frozen=True)
class Preview:
    """One letter as its reader would get it. ``content`` are the bytes of the mail, with tokens that open nothing.

    ``part`` is mail, or cover and ready for the two mails of a pack. ``problems`` is what the lint says.
    """

    campaign: str
    step: str
    variant: str
    language: str
    part: str
    house: str
    recipient: str
    subject: str
    preheader: str
    html: str
    text: str
    envelope_from: str
    content: bytes
    needs_smtputf8: bool
    problems: tuple[Problem, ...] = ()

    @property
    def pictures(self) -> int:
        """How many pictures a reader's program would have to load (REN-11)."""
        return self.html.count("<img ")


def parse_target(target: str) -> tuple[str, str | None]:
    """``CAMPAIGN[/STEP]`` as campaign and step."""
    campaign, _, step = target.partition("/")
    return campaign, step or None


def preview(
    app: App,
    target: str,
    now: datetime,
    *,
    person_id: int | None = None,
    organisation_id: int | None = None,
    address_id: int | None = None,
    language: str | None = None,
    to: str | None = None,
) -> list[Preview]:
    """The letters of a campaign (or one step, every variant) as files say now, for one reader, whoever is read at an address, or the first
    who matches.

    ``to`` replaces the reader's address. Raises ProblemsError for a draft with problems, InputError for an unknown step or
    a reader without a seat.
    """
    name, step_name = parse_target(target)
    with store.scratch(app.engine, ("organisation", *PUBLISHED)) as session:
        drafts, problems = read_drafts(app, session, [name])
        if problems:
            raise ProblemsError(problems)
        draft = drafts[0]
        published = publish(session, name, draft.definition, draft.files, now, "preview")
        steps = [step for step in draft.definition.steps if step_name in (None, step.name)]
        if not steps:
            known = [step.name for step in draft.definition.steps]
            hint = make_hint(step_name or "", known, f"it has {', '.join(known)}")
            raise InputError(f"campaign '{name}' has no step '{step_name}'", hint=hint)
        reader, house_id = _reader(session, app, draft.definition, now, person_id, organisation_id, address_id)
        if to is not None:
            reader = replace(reader, address=normalise(to).address)
        spoken = languages_by_step(name, [draft.definition], draft.files, app.settings.language)
        maker = _Maker(
            make_composer(app, session),
            published.campaign,
            published.version_id,
            house_id,
            reader,
            now,
            app.settings.zone,
            load_allowances(app)[0],
        )
        made = [
            letter
            for audience in draft.definition.audiences
            for step in steps
            for variant in ["", *(variant.name for variant in step.variants)]
            for each in ([language] if language else spoken[step.name][:1])
            if has_text(draft.files, name, step.name, variant)
            for letter in maker.make(audience, step, variant, each)
        ]
        return list({(letter.subject, letter.html): letter for letter in made}.values())


@dataclass(frozen=True)
class _Maker:
    composer: Composer
    campaign: Campaign
    version_id: int
    house_id: int
    reader: Recipient
    now: datetime
    zone: str
    allowed: Collection[str]

    def make(self, audience: Audience, step: Step, variant: str, language: str) -> Iterator[Preview]:
        """The letter, or the mails of a pack, that a step is to this audience."""
        composer = self.composer
        day = local_day(self.now, load_zone(composer.houses.zone(self.house_id, self.zone)))
        key = LetterKey(self.campaign.id, self.version_id, step.name, variant, language, self.house_id, Sender(audience.sender), day)
        route = audience.routes[0]
        parts = plan_parts(key, route, composer.houses) if carries_pack(key, route, composer.library) else [PartPlan(Part.mail, key)]
        for part in parts:
            attachments = make_attachments(composer.library, pack_key(key), part.formats) if part.formats else []
            yield self._mail(part, variant, tuple(attachments))

    def _mail(self, plan: PartPlan, variant: str, attachments: tuple[Attachment, ...]) -> Preview:
        composer, key = self.composer, plan.key
        edition, given = composer.library.edition(key), composer.library.given(key)
        values = sample_values(composer, key, edition, self.reader, self.now)
        prepared = composer.letter(key, edition, self.reader, inert=True, extra=Extra(plan.part, values, attachments))
        return Preview(
            campaign=self.campaign.name,
            step=key.step,
            variant=variant,
            language=edition.language,
            part=plan.part.value,
            house=composer.houses.organisation(self.house_id)["name"],
            recipient=self.reader.full_name or self.reader.address,
            subject=show_subject(edition, values),
            preheader="".join(edition.preheader.chunks),
            html=show_html(edition, values),
            text=show_text(edition, values),
            envelope_from=prepared.envelope_from,
            content=prepared.write(self.now),
            needs_smtputf8=prepared.needs_smtputf8,
            problems=tuple(as_problem(each, given) for each in lint_edition(given, edition, values, self.allowed)),
        )


def _reader(
    session: Session,
    app: App,
    definition: CampaignDefinition,
    now: datetime,
    person_id: int | None,
    organisation_id: int | None,
    address_id: int | None,
) -> tuple[Recipient, int]:
    """Who the preview is for, with the house of their seat; a made-up reader where nobody is named and nobody matches."""
    query = select_sitting(app.today(now), SEAT.c.id, SEAT.c.organisation_id, ADDRESS.c.id).where(ADDRESS.c.id.is_not(None))
    if address_id is not None:
        query = query.where(SEAT.c.id.in_(seats_at(address_id)))
    elif person_id is not None:
        query = query.where(SEAT.c.person_id == person_id)
    elif organisation_id is not None:
        query = query.where(SEAT.c.organisation_id == organisation_id)
    else:
        query = query.where(SEAT.c.id.in_(_matching_seats(session, app, definition, now)))
    first = []
    if organisation_id is not None and any(audience.passes_on for audience in definition.audiences):
        first = [has_role((Role.distributor,)).desc()]  # who receives the packs
    found = session.execute(query.order_by(*first, SEAT.c.strength, SEAT.c.is_primary_home.desc(), SEAT.c.id)).first()
    if found is not None:
        return load_recipients(session, [(found[2], found[0])])[found[2], found[0]], found[1]
    if person_id is not None:
        raise InputError("this person has no seat with an e-mail address today", hint="see 'om-campaigns person show'")
    if address_id is not None:
        raise InputError("nobody is read at this address today", hint="see 'om-campaigns person show'")
    return READER, organisation_id if organisation_id is not None else some_house(session)


def _matching_seats(session: Session, app: App, definition: CampaignDefinition, now: datetime) -> list[int]:
    audience = definition.audiences[0]
    if audience.selects != "seats":
        return []
    found = subjects(segment_of(audience), today=app.today(now), campaigns=load_campaign_ids(session))
    return list(session.execute(found.limit(1)).scalars())


def send_test(
    app: App,
    target: str,
    to: str,
    now: datetime,
    *,
    person_id: int | None = None,
    organisation_id: int | None = None,
    address_id: int | None = None,
) -> list[Preview]:
    """Send each letter of the target to one of our own addresses, through the real mail server, in both modes.

    Counts nowhere, and its links open nothing. Raises RefusedError for an address that is not ours, InstallationError when
    the server does not take it.
    """
    address = normalise(to)
    ours = {normalise(each).normal_key for each in (*app.settings.staff, *app.settings.rehearsal_to)}
    if address.normal_key not in ours:
        raise RefusedError(
            f"{to} is not one of our own addresses", hint="tests go only to addresses of 'staff' or 'rehearsal_to' in config.toml"
        )
    letters = preview(app, target, now, person_id=person_id, organisation_id=organisation_id, address_id=address_id, to=to)
    connection = app.open_transport(Mode.live).connect()
    try:
        for letter in letters:
            connection.offer(
                Envelope("test", letter.envelope_from, address.address, len(letter.content), True, not address.address.isascii())
            )
            outcome: Outcome | None = connection.answer() or connection.hand_over(letter.content, None)
            if outcome is not None and outcome.kind is not Kind.accepted:
                raise InstallationError(f"the mail server did not take the test: {outcome.code or ''} {outcome.reply}".strip())
    finally:
        connection.close()
    return letters
