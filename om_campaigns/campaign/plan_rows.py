"""The rows of a plan: which step is due for whom, on which route, in which words, and why not for everyone else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Integer,
    Table,
    and_,
    case,
    exists,
    func,
    insert,
    literal,
    literal_column,
    or_,
    select,
    true,
)
from sqlmodel import Session

from om_campaigns.audience.expressions import compile_condition
from om_campaigns.audience.models import PreferenceTopic, Touch
from om_campaigns.campaign.calendar import TIME
from om_campaigns.campaign.definition import CampaignDefinition, ReEnter, Step
from om_campaigns.campaign.house_values import HOUSE, House, temporary
from om_campaigns.campaign.matching import Parties, is_active, join_parties, make_parties, make_reason
from om_campaigns.campaign.models import Campaign, Dispatch, Enrolment
from om_campaigns.campaign.slices import in_slice
from om_campaigns.campaign.vocabulary import Reason
from om_campaigns.columns import BYTEWISE_TEXT, Instant, table_of

ROW = Table(
    "plan_row",
    temporary,
    Column("enrolment_id", Integer, primary_key=True),
    Column("step", BYTEWISE_TEXT, nullable=False),
    Column("address_id", Integer, nullable=False),
    Column("is_shareable", Boolean, nullable=False),
    Column("route", BYTEWISE_TEXT, nullable=False),
    Column("sender", BYTEWISE_TEXT, nullable=False),
    Column("variant", BYTEWISE_TEXT, nullable=False),
    Column("language", BYTEWISE_TEXT, nullable=False),
    Column("reason", BYTEWISE_TEXT, nullable=False),
    Column("due_at", Instant, nullable=False),
    Column("due_day", Integer, nullable=False),
    Column("open_until", Instant),
    prefixes=["TEMPORARY"],
)
"""``is_shareable``: the recipient is a house, or did not enter with this address, so somebody else may have come to it too."""


@dataclass(frozen=True)
class Ready:
    """A running campaign with every version somebody is on, and what its texts can serve."""

    campaign: Campaign
    definitions: dict[int, CampaignDefinition]
    languages: dict[str, tuple[str, ...]]
    """Step → languages it is written in, the fall-back first."""
    plain_steps: frozenset[str]
    """Steps with a text for those to whom no variant applies."""
    pack_steps: frozenset[str]
    """Steps with a text of their own for the pack: their letter is its cover."""
    withdrawn_steps: frozenset[str]
    """Steps that mention a toolkit of which no version is current (domain rule 7)."""
    skipped_steps: frozenset[str]
    """Steps that somebody took out for everybody not yet served."""
    begun_steps: frozenset[str]
    """Steps that somebody has had or is owed; of the others nobody need be asked one by one whether they had it."""
    topics: dict[str, tuple[str, ...]]
    """Step → subject topics of its texts; a step without is for everybody."""
    campaign_ids: dict[str, int]
    houses: dict[int, House]

    @property
    def carries_packs(self) -> bool:
        """Whom a pack goes to is decided among all who could receive it, so all of them must be planned together."""
        passes_on = any(audience.passes_on for definition in self.definitions.values() for audience in definition.audiences)
        return passes_on or bool(self.pack_steps)


def find_begun_steps(session: Session, campaign: Campaign, definitions: Iterable[CampaignDefinition]) -> frozenset[str]:
    """Steps of a campaign that somebody has had or is owed."""

    def has_begun(name: str) -> bool:
        had_or_owed = (
            exists().where(had.c.campaign_id == campaign.id, had.c.occasion == "", had.c.step == name)
            for had in (table_of(Dispatch), table_of(Touch))
        )
        return any(bool(session.execute(select(each)).scalar()) for each in had_or_owed)

    return frozenset(step.name for definition in definitions for step in definition.steps if has_begun(step.name))


def under_way(ready: Ready) -> list[ColumnElement[bool]]:
    """Enrolments of the slice that are in this campaign now."""
    enrolment = table_of(Enrolment)
    return [in_slice(enrolment), enrolment.c.campaign_id + 0 == ready.campaign.id, is_active(enrolment)]  # "+ 0": see in_slice


def not_yet_owed() -> ColumnElement[bool]:
    """Enrolments whose next step is not owed yet."""
    enrolment, dispatch = table_of(Enrolment), table_of(Dispatch)
    return ~exists().where(dispatch.c.enrolment_id == enrolment.c.id, dispatch.c.step == enrolment.c.next_step)


def load_due(session: Session, campaign: Campaign, until: datetime) -> Sequence[int]:
    """Everybody under way in a campaign whose next step is due by ``until`` and not owed yet."""
    enrolment = table_of(Enrolment)
    here = (enrolment.c.campaign_id == campaign.id, is_active(enrolment), enrolment.c.next_due_at <= until)
    return session.execute(select(enrolment.c.id).where(*here, not_yet_owed()).order_by(enrolment.c.id)).scalars().all()


def condition(source: str, definition: CampaignDefinition, parties: Parties, today: date, ready: Ready) -> ColumnElement[bool]:
    """An expression of the campaign, asked about the seat (else the house) that entered."""
    selects = "seats" if any(audience.selects == "seats" for audience in definition.audiences) else "organisations"
    return compile_condition(
        source,
        selects,
        today=today,
        campaigns=ready.campaign_ids,
        seat=parties.seat,
        person=parties.person,
        organisation=parties.organisation,
    )


def gather(session: Session, ready: Ready, version_id: int, position: int, step: Step, today: date, until: datetime) -> None:
    """Add the rows of one step for those who entered by one ``[[audience]]`` of one version; TIME and HOUSE are filled."""
    definition = ready.definitions[version_id]
    audience = definition.audiences[position]
    enrolment = table_of(Enrolment)
    parties = make_parties()
    source = (
        join_parties(
            enrolment,
            parties,
            seat_id=enrolment.c.seat_id,
            organisation_id=enrolment.c.organisation_id,
            address_id=enrolment.c.address_id if audience.passes_on else None,
        )
        .join(HOUSE, HOUSE.c.organisation_id == enrolment.c.organisation_id)
        .join(
            TIME,
            and_(
                TIME.c.version_id == version_id,
                TIME.c.step == step.name,
                TIME.c.base_at == enrolment.c.next_due_at,
                TIME.c.zone == HOUSE.c.zone,
                TIME.c.days == HOUSE.c.days,
            ),
        )
    )
    to_house = enrolment.c.subject_kind == literal_column("'organisation'")
    variant = _variant(step, definition, parties, today, ready)
    languages = ready.languages[step.name]
    has_begun = definition.re_enter is not ReEnter.never or step.name in ready.begun_steps
    refusals = _of_the_step(ready, definition, step, variant, parties, today)
    if has_begun:
        refusals.append((_was_served(parties, step), Reason.duplicate_address))
    wanted = func.coalesce(parties.person.c.language, HOUSE.c.language)
    rows = (
        select(
            enrolment.c.id,
            literal(step.name),
            func.coalesce(parties.address.c.id, enrolment.c.address_id),
            or_(parties.address.c.id != enrolment.c.address_id, enrolment.c.occasion != "", to_house),
            HOUSE.c.route,
            literal(audience.sender.value),
            variant,
            case((wanted.in_(languages), wanted), else_=languages[0]),
            make_reason(
                parties,
                today=today,
                mailing_list=definition.mailing_list,
                sender=audience.sender,
                route=HOUSE.c.route,
                more=refusals,
            ),
            TIME.c.due_at,
            TIME.c.due_day,
            TIME.c.open_until,
        )
        .select_from(source)
        .where(
            *under_way(ready),
            *([not_yet_owed()] if has_begun else []),
            enrolment.c.version_id == version_id,
            enrolment.c.audience == position,
            enrolment.c.next_step == step.name,
            enrolment.c.next_due_at <= until,
        )
    )
    session.execute(insert(ROW).from_select([column.name for column in ROW.c], rows))


def _of_the_step(
    ready: Ready, definition: CampaignDefinition, step: Step, variant: ColumnElement[str], parties: Parties, today: date
) -> list[tuple[ColumnElement[bool], Reason]]:
    """What may keep a step from somebody who may be written to."""
    refusals: list[tuple[ColumnElement[bool], Reason]] = []
    if step.name in ready.skipped_steps:
        refusals.append((true(), Reason.step_skipped))
    refusals.append((TIME.c.too_late, Reason.grace_over))
    if step.name in ready.withdrawn_steps:
        refusals.append((true(), Reason.toolkit_withdrawn))
    if step.when:
        refusals.append((~condition(step.when, definition, parties, today, ready), Reason.step_condition))
    if topics := ready.topics.get(step.name):
        refusals.append((_wants_other_topics(parties, topics), Reason.not_my_topic))
    if step.name not in ready.plain_steps:
        refusals.append((variant == "", Reason.no_variant))
    return refusals


def _wants_other_topics(parties: Parties, topics: tuple[str, ...]) -> ColumnElement[bool]:
    """The reader chose topics, and none of them is the step's."""
    chosen = table_of(PreferenceTopic)
    mine = chosen.c.address_id == parties.address.c.id
    return and_(exists().where(mine), ~exists().where(mine, chosen.c.topic.in_(topics)))


def _was_served(parties: Parties, step: Step) -> ColumnElement[bool]:
    """Somebody has had this step at this address, or is owed it: as a person (spelled like the unique index) or as a house."""
    enrolment, dispatch, touch = table_of(Enrolment), table_of(Dispatch).alias("d_served"), table_of(Touch).alias("t_served")
    to_person = dispatch.c.recipient_kind == literal_column("'person'")
    return or_(
        *(
            exists().where(
                campaign_id == enrolment.c.campaign_id,
                served.c.occasion == enrolment.c.occasion,
                served.c.step == step.name,
                served.c.address_id == parties.address.c.id,
                *more,
            )
            for served, campaign_id, more in (
                (dispatch, dispatch.c.campaign_id, (to_person, dispatch.c.status != literal_column("'skipped'"))),
                (touch, touch.c.campaign_id + 0, ()),  # "+ 0" leaves SQLite only the index by address, which is the quick one
            )
        )
    )


def _variant(step: Step, definition: CampaignDefinition, parties: Parties, today: date, ready: Ready) -> ColumnElement[str]:
    """The first variant whose condition holds, else '' for the plain text."""
    chosen = [(condition(variant.when, definition, parties, today, ready), literal(variant.name)) for variant in step.variants]
    return case(*chosen, else_=literal("")) if chosen else literal("")
