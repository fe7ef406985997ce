"""Leaving: recorded once, effective at once, and the packs of whoever leaves go on to others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from sqlalchemy import ColumnElement, and_, exists, or_, select
from sqlmodel import Session, col

from om_campaigns import store
from om_campaigns.audience.changes import Change, record_change
from om_campaigns.audience.consent import record_suppression, stops, withdraw_consents
from om_campaigns.audience.models import Address, Organisation, Preference, Response, Seat, Suppression
from om_campaigns.audience.seats import RECEIVING_ROLES, has_role, holds_on, person_of, seats_at
from om_campaigns.audience.tasks import TaskKind, open_task
from om_campaigns.audience.vocabulary import (
    Origin,
    RecipientKind,
    ResponseKind,
    Rhythm,
    SuppressionReason,
    SuppressionScope,
)
from om_campaigns.campaign.corrections import hand_over
from om_campaigns.campaign.models import Campaign, Dispatch, Enrolment, Pack
from om_campaigns.campaign.receivers import Moved, find_following, move_to_next_receiver
from om_campaigns.campaign.vocabulary import DispatchStatus
from om_campaigns.columns import digest, table_of
from om_campaigns.compose.contexts import Houses
from om_campaigns.letters.relay import WAITING, offer_again

AGAIN_AFTER = timedelta(hours=1)
"""Who says the same so much later, or through another door, has decided it themselves (SEC-10)."""


class Channel(StrEnum):
    """Through which door somebody left; kept with the withdrawal (LAW-05)."""

    one_click = "one_click"
    page = "page"
    mail = "mail"
    staff = "staff"


@dataclass(frozen=True, slots=True)
class Leaver:
    """An address with the house and the mailing list it came from; each may be unknown where the scope does not need it."""

    address_id: int
    organisation_id: int | None = None
    mailing_list: str = ""


def record_leaving(
    session: Session, leaver: Leaver, scope_kind: SuppressionScope, channel: Channel, now: datetime, today: date, *, actor: str = ""
) -> bool:
    """Stop mail to this address in a scope; False when it was stopped there before.

    Consents of that scope are written down as withdrawn. What waits for a house through this person goes to the next one who
    receives there, and people of OM are told. ``actor`` is whoever of OM wrote it down for the reader.
    """
    scope = find_scope(session, leaver, scope_kind)
    if not _stop(session, leaver, scope_kind, channel, now, actor):
        return False
    _hand_over_packs(session, leaver, scope_kind, [scope], now, today)
    return True


def record_leaving_lists(session: Session, leavers: Sequence[Leaver], channel: Channel, now: datetime, today: date) -> None:
    """Several mailing lists left at once by one address: each as ``record_leaving`` does, and one errand for the people of OM."""
    kind = SuppressionScope.mailing_list
    left = [leaver for leaver in leavers if _stop(session, leaver, kind, channel, now)]
    if left:
        _hand_over_packs(session, left[0], kind, [each.mailing_list for each in left], now, today)


def _stop(session: Session, leaver: Leaver, scope_kind: SuppressionScope, channel: Channel, now: datetime, actor: str = "") -> bool:
    """Write down that mail stops; False when it was stopped there before."""
    address = session.get_one(Address, leaver.address_id)
    scope = find_scope(session, leaver, scope_kind)
    told = f"{scope_kind.value} {scope}".strip()
    origin = Origin.staff if channel is Channel.staff else Origin.answer
    blocked = table_of(Suppression)
    same = (stops(address), blocked.c.scope_kind == scope_kind, blocked.c.scope == scope, blocked.c.reopened.is_not(None))
    reopened = session.execute(select(blocked.c.reopened).where(*same).limit(1)).scalar_one_or_none()
    if not record_suppression(session, address, SuppressionReason.opt_out, now, scope_kind=scope_kind, scope=scope):
        if not _was_said(session, leaver.address_id, told, actor or channel.value, now):
            record_change(session, "address", leaver.address_id, "suppressed", told, told, now, actor or channel.value, origin)
        return False
    if reopened is not None:
        lists = " ".join(reopened.split())
        record_change(session, "address", leaver.address_id, "reopened", lists, None, now, actor or channel.value, origin)
    withdraw_consents(
        session,
        leaver.address_id,
        now,
        mailing_list=leaver.mailing_list if scope_kind is SuppressionScope.mailing_list else None,
        collector_id=leaver.organisation_id if scope_kind is SuppressionScope.organisation else None,
    )
    record_change(session, "address", leaver.address_id, "suppressed", None, told, now, actor or channel.value, origin)
    return True


def _was_said(session: Session, address_id: int, told: str, through: str, now: datetime) -> bool:
    """The same was said through the same door not long ago: mail programs repeat themselves, and that is no second decision."""
    change = table_of(Change)
    mine = (change.c.entity == "address", change.c.entity_id == address_id, change.c.field == "suppressed", change.c.new == told)
    recent = select(change.c.id).where(*mine, change.c.actor == through, change.c.at > now - AGAIN_AFTER)
    return session.execute(recent.limit(1)).first() is not None


def find_scope(session: Session, leaver: Leaver, scope_kind: SuppressionScope) -> str:
    """What a suppression of this kind names: the list, the house's public id, or '' for everything."""
    if scope_kind is SuppressionScope.organisation:
        return session.get_one(Organisation, leaver.organisation_id).public_id
    return leaver.mailing_list if scope_kind is SuppressionScope.mailing_list else ""


def hold_address(session: Session, address_id: int) -> Address:
    """The address, for this transaction alone: what its reader sends twice at once is stored one after the other."""
    return session.get_one(Address, address_id, with_for_update={"key_share": True})


def find_rhythm(session: Session, address_id: int) -> Rhythm:
    """How often the reader of an address wants to read."""
    preference = session.get(Preference, address_id)
    return preference.rhythm if preference else Rhythm.as_it_comes


def record_rhythm(
    session: Session, address_id: int, organisation_id: int, rhythm: Rhythm, channel: Channel, now: datetime, today: date
) -> bool:
    """Let the reader of an address read as slowly as they like; False when that was said before."""
    hold_address(session, address_id)
    old = find_rhythm(session, address_id)
    if old is rhythm:
        return False
    preference = session.get(Preference, address_id)
    if preference is None:
        preference = Preference(address_id=address_id, at=now)
    preference.rhythm, preference.at = rhythm, now
    session.add(preference)
    record_change(session, "address", address_id, "rhythm", old.value, rhythm.value, now, channel.value, Origin.answer)
    record_preference(session, address_id, organisation_id, now, today, rhythm=rhythm.value)
    session.flush()
    return True


def record_preference(session: Session, address_id: int, organisation_id: int, now: datetime, today: date, **said: str) -> None:
    """A preference is a sign of life of the house, too (domain, section 4)."""
    store.add_new(
        session,
        table_of(Response),
        kind=ResponseKind.preference,
        source_key=digest(str(address_id), repr(sorted(said.items())), now.isoformat()),
        at=now,
        organisation_id=organisation_id,
        person_id=person_of(session, address_id, today),
        occasion="",
        step="",
        detail=said,
    )


def receives_packs(session: Session, address_id: int, organisation_id: int, today: date) -> bool:
    """Whether this address stands for the house when packs come: a receiving seat in a house that gets some."""
    is_theirs = and_(table_of(Seat).c.organisation_id == organisation_id, holds_on(today))
    return bool(_receiving_houses(session, address_id, is_theirs))


def _receiving_houses(session: Session, address_id: int, which: ColumnElement[bool]) -> list[int]:
    seat, enrolment, pack = (table_of(each) for each in (Seat, Enrolment, Pack))
    has_packs = or_(
        exists().where(pack.c.organisation_id == seat.c.organisation_id),
        exists().where(enrolment.c.organisation_id == seat.c.organisation_id, enrolment.c.subject_kind == RecipientKind.organisation.value),
    )
    query = select(seat.c.organisation_id).where(
        seat.c.id.in_(seats_at(address_id)),
        has_role(RECEIVING_ROLES, seat),
        which,
        has_packs,
    )
    return list(session.execute(query.distinct().order_by(seat.c.organisation_id)).scalars())


def _hand_over_packs(
    session: Session, leaver: Leaver, scope_kind: SuppressionScope, scopes: Sequence[str], now: datetime, today: date
) -> None:
    """What is owed to a house goes to whoever receives there next; one task a house says who left what, and whether anybody follows."""
    scope = ", ".join(scopes)
    seat = table_of(Seat)
    is_concerned = seat.c.organisation_id == leaver.organisation_id
    houses = _receiving_houses(
        session, leaver.address_id, is_concerned if scope_kind is SuppressionScope.organisation else seat.c.id.is_not(None)
    )
    for house_id in houses:
        moved: list[Moved] = move_to_next_receiver(session, leaver.address_id, house_id, today)
        for mailing_list in scopes if scope_kind is SuppressionScope.mailing_list else [""]:
            moved += _give_on(session, leaver.address_id, house_id, mailing_list, now, today)
        open_task(
            session,
            TaskKind.receiver_left,
            digest(str(leaver.address_id), str(house_id), scope_kind.value, scope, now.isoformat()),
            now,
            organisation_id=house_id,
            address_id=leaver.address_id,
            scope_kind=scope_kind.value,
            scope=scope,
            packs_moved=sum(each.seat_id is not None for each in moved),
            packs_left=sum(each.seat_id is None for each in moved),
        )


def _give_on(session: Session, address_id: int, house_id: int, mailing_list: str, now: datetime, today: date) -> list[Moved]:
    """A pack that lies with whoever left, and was not passed on yet, goes with its mails to the next who receives there."""
    dispatch, campaign = table_of(Dispatch), table_of(Campaign)
    query = (
        select(Pack, dispatch.c.sender, campaign.c.mailing_list)
        .join(dispatch, dispatch.c.id == col(Pack.dispatch_id))
        .join(campaign, campaign.c.id == col(Pack.campaign_id))
        .where(
            col(Pack.organisation_id) == house_id,
            col(Pack.relay_state).in_(WAITING),
            dispatch.c.address_id == address_id,
            dispatch.c.seat_id != 0,
            dispatch.c.status == DispatchStatus.sent,
        )
    )
    if mailing_list:
        query = query.where(campaign.c.mailing_list == mailing_list)
    moved, last_day = [], Houses(session, today).last_day(house_id, today)
    for pack, sender, pack_list in session.execute(query.order_by(col(Pack.id))).all():
        following = find_following(session, pack_list, sender, today, house_id, address_id)
        if following is not None and hand_over(session, pack, following, now):
            offer_again(pack, last_day, now)
        moved.append(Moved(pack.dispatch_id, following.seat_id if following else None))
    return moved
