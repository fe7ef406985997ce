"""Who would enter which campaign: shown before anything is stored that lets them in, described, confirmed by its figure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import and_, func, or_, select
from sqlmodel import Session

from om_campaigns import events, store
from om_campaigns.app import App, require_real_clock
from om_campaigns.audience.changes import Change, record_change
from om_campaigns.audience.models import Address, Organisation, Person, SeatRole
from om_campaigns.audience.vocabulary import Origin, RecipientKind
from om_campaigns.campaign.calendar import Calendar
from om_campaigns.campaign.enrolment import ENTRANT, foresee
from om_campaigns.campaign.entry_brake import CONFIRMED_FOR, Judgement, Subjects, confirm_entry, most_by, settle_hold
from om_campaigns.campaign.letting_in import note_held
from om_campaigns.campaign.models import Campaign
from om_campaigns.campaign.releases import get_campaign, load_definitions, running_campaigns
from om_campaigns.campaign.vocabulary import CampaignStatus, PermissionKind
from om_campaigns.columns import table_of
from om_campaigns.errors import RefusedError
from om_campaigns.planning import make_entry


@dataclass(frozen=True, slots=True)
class Entering:
    """Who would newly enter one campaign, and from when on they are written to.

    ``is_first``: the campaign has let nobody in before. ``stays_out``: it has no backfill, so these match and stay outside for ever.
    ``was_held``: the brake holds this campaign already, so nobody enters it by more of them.
    """

    campaign: str
    judgement: Judgement
    first_due_at: datetime | None = None
    is_first: bool = False
    stays_out: bool = False
    was_held: bool = False

    @property
    def number(self) -> Subjects:
        return self.judgement.entering

    @property
    def needs_figure(self) -> bool:
        """Too many for a day, and not known to be held."""
        return self.judgement.is_held and not self.was_held


class FigureNeededError(RefusedError):
    """More would enter than may unasked, or not as many as was said; whoever is asked must type how many."""

    def __init__(self, message: str, entering: Sequence[Entering], *, hint: str) -> None:
        super().__init__(message, hint=hint)
        self.entering = tuple(entering)


def foresee_entries(session: Session, app: App, now: datetime, names: Collection[str] | None = None) -> list[Entering]:
    """Who would enter the running campaigns (those named) with the next tick, by the statements that let them in.

    Campaigns that nobody would enter are left out. Nothing is changed but temporary tables.
    """
    found = []
    for campaign in running_campaigns(session):
        if names is None or campaign.name in names:
            entering = foresee_entry(session, app, campaign, now)
            found += [entering] if entering is not None else []
    return found


def foresee_entry(session: Session, app: App, campaign: Campaign, now: datetime) -> Entering | None:
    """Who would enter one campaign with the next tick, None where nobody would; they stand in ENTRANT then."""
    version_id = campaign.latest_version_id or 0
    definition = load_definitions(session, campaign)[version_id]
    entry = make_entry(session, app, campaign, version_id, definition)
    judgement = foresee(session, entry, Calendar(), now, app.today(now)).judgement
    if judgement is None:
        return None
    first = session.execute(select(func.min(ENTRANT.c.due_at))).scalar_one()
    return Entering(campaign.name, judgement, first, was_held=campaign.held_at is not None)


def count_entering(entering: Sequence[Entering]) -> int:
    """The figure that confirms them all."""
    return sum(each.number.total for each in entering)


def require_figure(entering: Sequence[Entering], expect: int | None, *, asks: bool = False) -> None:
    """Raises FigureNeededError where the figure that was said is another one, or none was and one is needed.

    ``asks``: somebody can be asked, so a first publication needs its figure too.
    """
    total = count_entering(entering)
    if expect is not None and expect != total:
        raise FigureNeededError(
            f"{total} would enter, not {expect}; nothing was stored", entering, hint=f"look again, then --expect {total}"
        )
    if expect is None and any(each.needs_figure or (asks and each.is_first) for each in entering):
        held = [describe_held(each.campaign, each.judgement) for each in entering if each.needs_figure]
        told = "; ".join(held) or f"{total:,} would enter for the first time"
        raise FigureNeededError(f"{told}; nothing was stored", entering, hint=f"if that is right, say so with --expect {total}")


def describe_held(campaign: str, judgement: Judgement) -> str:
    """``2,995 people would enter wir-gedanke, 100 is the most in a day``."""
    number, bound, lately = judgement.entering, judgement.bound, judgement.lately
    parts = []
    for one, several, wanted, before, most in (
        ("person", "people", number.people, lately.people, bound.people),
        ("house", "houses", number.houses, lately.houses, bound.houses),
    ):
        if wanted + before > most:
            after = f" after {before:,} within 24 hours" if before else ""
            parts.append(f"{wanted:,} {one if wanted == 1 else several} would enter {campaign}{after}, {most:,} is the most in a day")
    return " and ".join(parts)


def confirm_entries(session: Session, what: PermissionKind, entering: Sequence[Entering], who: str, now: datetime) -> list[Entering]:
    """Somebody has seen these figures and said yes: a permission for each campaign. Returns them as they stand then."""
    for each in entering:
        if not each.stays_out:
            confirm_entry(session, what, get_campaign(session, each.campaign), each.number.total, who, now)
    return [replace(each, judgement=replace(each.judgement, is_confirmed=True)) for each in entering]


@dataclass(frozen=True, slots=True)
class Admitted:
    """What ``admit`` came to: who would enter, and until when up to ``most`` may; ``until`` is None where nobody was held."""

    entering: Entering | None
    until: datetime | None = None
    most: int = 0


def admit(app: App, name: str, expect: int | None, now: datetime, actor: str) -> Admitted:
    """Let those in whom the brake holds, if there are ``expect`` of them: a permission for this campaign, for seven days.

    Nothing is given where nobody is held. Raises InputError for an unknown campaign, RefusedError for one that does not run,
    FigureNeededError where the figure is missing or another one.
    """
    require_real_clock(app)
    with store.turns(app.engine) as turns:
        with turns.reading() as session:
            campaign = get_campaign(session, name)
            if campaign.status is not CampaignStatus.running:
                hint = "'om-campaigns campaign resume' lets it go on"
                raise RefusedError(f"{name} is {campaign.status.value}: nobody enters it", hint=hint)
            entering = foresee_entry(session, app, campaign, now)
        if entering is None or not entering.judgement.is_held:
            return Admitted(entering)
        total = entering.number.total
        if expect != total:
            wrong = f", not {expect:,}" if expect is not None else ""
            raise FigureNeededError(
                f"{total:,} would enter {name}{wrong}; it stays held",
                [entering],
                hint=f"if that is right: om-campaigns campaign admit {name} --expect {total}",
            )
        with turns.writing() as session:
            campaign = get_campaign(session, name)
            confirm_entry(session, PermissionKind.admit, campaign, total, actor, now)
            record_change(session, "campaign", campaign.id, "admitted", None, str(total), now, actor, Origin.staff)
            note_held(session, campaign, None, now)
            settle_hold(session, campaign, now, actor)
    events.entry_admitted(name, total, actor)
    return Admitted(entering, now + CONFIRMED_FOR, most_by(total))


EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class EntryOrigin:
    """What brought some of those who would enter: one import, or one change by somebody. ``at`` is None where the log does not say."""

    people: int
    houses: int
    origin: Origin | None = None
    at: datetime | None = None
    by: str = ""


def load_origins(session: Session, app: App, name: str, now: datetime) -> list[EntryOrigin]:
    """Where those come from who would enter a campaign, by the latest change to their seat, themselves or their house; the most first."""
    if foresee_entry(session, app, get_campaign(session, name), now) is None:
        return []
    changed = table_of(Change)
    is_person = ENTRANT.c.subject_kind == RecipientKind.person.value
    is_of = or_(
        and_(changed.c.entity == "seat", changed.c.entity_id == ENTRANT.c.seat_id),
        and_(changed.c.entity == "person", is_person, changed.c.entity_id == ENTRANT.c.subject_id),
        and_(changed.c.entity == "organisation", changed.c.entity_id == ENTRANT.c.organisation_id),
    )
    latest = select(func.max(changed.c.id)).where(is_of).correlate(ENTRANT).scalar_subquery()
    each = select(is_person.label("is_person"), latest.label("change_id")).subquery()
    people, houses = (func.count().filter(each.c.is_person.is_(wanted)) for wanted in (True, False))
    keys = (changed.c.batch, changed.c.origin, changed.c.at, changed.c.actor)
    query = select(people, houses, *keys[1:]).select_from(each).outerjoin(changed, changed.c.id == each.c.change_id).group_by(*keys)
    rows = session.execute(query.order_by(func.count().desc(), changed.c.at.desc())).all()
    return [EntryOrigin(row[0], row[1], row.origin, row.at, row.actor or "") for row in rows]


def describe_entrants(app: App, name: str, now: datetime) -> dict[str, str]:
    """Facts about those who would enter: how many, their roles and houses, and a few of them by name. Empty where nobody would."""
    with store.read(app.engine) as session:
        found = foresee_entry(session, app, get_campaign(session, name), now)
        if found is None:
            return {}
        return {
            "would enter": f"{found.number.people:,} people, {found.number.houses:,} houses",
            "roles": ", ".join(f"{role} {number:,}" for role, number in _count_roles(session)),
            "houses": ", ".join(f"{slug} {number:,}" for slug, number in _count_houses(session)),
            "three of them": "\n".join(_examples(session)),
            "bound today": f"{found.judgement.bound.people:,} people, {found.judgement.bound.houses:,} houses",
        }


def _count_roles(session: Session) -> list[tuple[str, int]]:
    role = table_of(SeatRole)
    number = func.count()
    query = select(role.c.role, number).join_from(ENTRANT, role, role.c.seat_id == ENTRANT.c.seat_id).group_by(role.c.role)
    return [(each, count) for each, count in session.execute(query.order_by(number.desc(), role.c.role))]


def _count_houses(session: Session) -> list[tuple[str, int]]:
    """The houses most of them come from; what is left is one line."""
    house = table_of(Organisation)
    number = func.count()
    query = select(house.c.slug, number).join_from(ENTRANT, house, house.c.id == ENTRANT.c.organisation_id).group_by(house.c.slug)
    rows = [(slug, count) for slug, count in session.execute(query.order_by(number.desc(), house.c.slug))]
    rest = rows[EXAMPLES:]
    return rows[:EXAMPLES] + ([(f"and {len(rest)} more", sum(count for _, count in rest))] if rest else [])


def _examples(session: Session) -> list[str]:
    person, address, house = table_of(Person), table_of(Address), table_of(Organisation)
    is_person = and_(ENTRANT.c.subject_kind == RecipientKind.person.value, person.c.id == ENTRANT.c.subject_id)
    query = (
        select(func.coalesce(person.c.full_name, house.c.name), address.c.address)
        .join_from(ENTRANT, address, address.c.id == ENTRANT.c.address_id)
        .join(house, house.c.id == ENTRANT.c.organisation_id)
        .outerjoin(person, is_person)
        .order_by(ENTRANT.c.subject_id)
        .limit(EXAMPLES)
    )
    return [f"{name}  {written}" for name, written in session.execute(query)]
