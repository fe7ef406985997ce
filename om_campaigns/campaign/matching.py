"""Who may be served now, and why not: one list of reasons as SQL, the same for entering and for every step.

The segment decides entering only (domain rule 11); everything here is asked again before each step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, CompoundSelect, FromClause, and_, case, exists, func, literal, literal_column, or_, select, union

from om_campaigns.audience.consent import has_basis, is_suppressed
from om_campaigns.audience.models import Address, Organisation, Person, Seat
from om_campaigns.audience.seats import address_id_of, holds_on
from om_campaigns.audience.vocabulary import BounceState, OrganisationStatus, PersonStatus, RecipientKind, Route, Sender
from om_campaigns.campaign.models import Dispatch, Enrolment
from om_campaigns.campaign.vocabulary import DispatchStatus, EnrolmentState, Reason
from om_campaigns.columns import table_of


@dataclass(frozen=True)
class Parties:
    """The four entities a question is asked about, as aliases that one query joins."""

    seat: FromClause
    person: FromClause
    organisation: FromClause
    address: FromClause


@cache
def make_parties() -> Parties:
    """Aliases of seat, person, organisation and address; the same ones each time, because making them takes milliseconds."""
    return Parties(table_of(Seat).alias("s"), table_of(Person).alias("p"), table_of(Organisation).alias("o"), table_of(Address).alias("a"))


def join_parties(
    start: FromClause, parties: Parties, *, seat_id: Any, organisation_id: Any, address_id: ColumnElement[Any] | None = None
) -> FromClause:
    """``start`` joined with the seat (if any), its person, the house and the effective address (if any).

    ``address_id`` says which address counts where it is not the seat's own (a house's list address).
    """
    if address_id is None:
        address_id = address_id_of(parties.seat, parties.person)
    return (
        start.join(parties.organisation, parties.organisation.c.id == organisation_id)
        .outerjoin(parties.seat, parties.seat.c.id == seat_id)
        .outerjoin(parties.person, parties.person.c.id == parties.seat.c.person_id)
        .outerjoin(parties.address, parties.address.c.id == address_id)
    )


OPEN = (DispatchStatus.planned, DispatchStatus.retry, DispatchStatus.claimed, DispatchStatus.held)
"""Dispatches that will still become a touch: they count against caps."""

LOST = (DispatchStatus.failed, DispatchStatus.uncertain)

_OPEN_SPELLED: list[ColumnElement[str]] = [literal_column(f"'{status.value}'") for status in OPEN]


def is_open(dispatch: FromClause) -> ColumnElement[bool]:
    """In the words and the order of the partial index on open dispatches, which bound values would not match."""
    return dispatch.c.status.in_(_OPEN_SPELLED)


def is_waiting(dispatch: FromClause) -> ColumnElement[bool]:
    """Planned, or to be tried again; spelled as the partial index on ``due_at`` is."""
    return dispatch.c.status.in_(_OPEN_SPELLED[:2])


def is_lost(dispatch: FromClause) -> ColumnElement[bool]:
    """Refused for good, or nobody knows: what people have to look at; spelled as its partial index is."""
    return dispatch.c.status.in_([literal_column(f"'{status.value}'") for status in LOST])


def dispatches_to(kind: RecipientKind, recipient_id: int | None) -> CompoundSelect[Any]:
    """The ids of all that was ever owed to a recipient: by their enrolments, or handed over or corrected, which is service mail."""
    enrolment, dispatch = table_of(Enrolment), table_of(Dispatch)
    theirs = (dispatch.c.recipient_kind == kind, dispatch.c.recipient_id == recipient_id)
    by_enrolment = select(dispatch.c.id).join(enrolment, enrolment.c.id == dispatch.c.enrolment_id)
    return union(
        by_enrolment.where(enrolment.c.subject_kind == kind, enrolment.c.subject_id == recipient_id, *theirs),
        select(dispatch.c.id).where(dispatch.c.service, *theirs),
    )


def is_active(enrolment: FromClause) -> ColumnElement[bool]:
    """Spelled out, because a bound value would not match the partial index on ``next_due_at``."""
    return enrolment.c.state == literal_column("'active'")


def is_over(enrolment: FromClause) -> ColumnElement[bool]:
    """Finished, exited or stopped; spelled as its partial index is."""
    return enrolment.c.state != literal_column("'active'")


def subject_kind(parties: Parties) -> ColumnElement[Any]:
    """A person, or the organisation where the seat has no person."""
    return case((parties.seat.c.person_id.is_(None), RecipientKind.organisation.value), else_=RecipientKind.person.value)


def subject_id(parties: Parties) -> ColumnElement[Any]:
    return func.coalesce(parties.seat.c.person_id, parties.organisation.c.id)


def make_reason(
    parties: Parties,
    *,
    today: date,
    mailing_list: str,
    sender: Sender,
    route: Any,
    more: Sequence[tuple[ColumnElement[bool], Reason]] = (),
) -> ColumnElement[str]:
    """Why this recipient gets nothing now, '' if nothing stands in the way; the first reason that holds wins.

    ``route`` is what the house takes of what the campaign offers (see ``houses.HOUSE``).
    """
    refusals: list[tuple[Any, Reason]] = [
        (
            or_(
                parties.person.c.status.not_in([PersonStatus.active]),
                and_(parties.seat.c.person_id.is_not(None), parties.person.c.id.is_(None)),
            ),
            Reason.person_inactive,
        ),
        (parties.organisation.c.status != OrganisationStatus.active, Reason.organisation_inactive),
        (~holds_on(today, parties.seat), Reason.seat_ended),
        (route == Route.none.value, Reason.no_route),
        (parties.address.c.id.is_(None), Reason.no_address),
        (parties.address.c.bounce_state == BounceState.hard, Reason.hard_bounce),
        (is_suppressed(parties.address, parties.organisation, mailing_list), Reason.suppressed),
        (and_(parties.organisation.c.data_role.is_(None), literal(sender is Sender.home)), Reason.no_data_role),
        (~has_basis(parties.address.c.id, parties.organisation, mailing_list, sender), Reason.no_basis),
        *more,
    ]
    return case(*[(condition, reason.value) for condition, reason in refusals], else_=Reason.none.value)


def is_in_campaign(parties: Parties, campaign_ids: Sequence[int], state: EnrolmentState, *, as_house: bool = False) -> ColumnElement[bool]:
    """The subject is (or was) in one of these campaigns: a seat counts itself and its house, a house any of its seats.

    ``as_house``: the house is the subject, whoever receives for it.
    """
    enrolment = table_of(Enrolment).alias("e_other")
    if as_house:
        return exists().where(
            enrolment.c.campaign_id.in_(campaign_ids),
            enrolment.c.state == state,
            enrolment.c.organisation_id == parties.organisation.c.id,
        )
    return exists().where(
        enrolment.c.campaign_id.in_(campaign_ids),
        enrolment.c.state == state,
        or_(
            and_(enrolment.c.subject_kind == RecipientKind.person, enrolment.c.subject_id == parties.seat.c.person_id),
            and_(
                enrolment.c.subject_kind == RecipientKind.organisation,
                enrolment.c.subject_id == parties.organisation.c.id,
            ),
            and_(parties.seat.c.person_id.is_(None), enrolment.c.organisation_id == parties.organisation.c.id),
        ),
    )
