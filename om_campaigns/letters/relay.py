"""How far packs have come in the houses: offered by the hand-over, moved on by what people say, ended by time.

Everything here can be done twice; the second time changes nothing. The allowed moves stand in ``delivery/states.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime

from sqlalchemy import literal_column, select, update
from sqlmodel import Session, col

from om_campaigns.audience.vocabulary import Route
from om_campaigns.campaign.models import Dispatch, Pack
from om_campaigns.campaign.vocabulary import DispatchStatus, RelayState
from om_campaigns.delivery.states import check_relay

UNTAKEN = (RelayState.offered, RelayState.postponed)
WAITING = (RelayState.offered, RelayState.accepted, RelayState.postponed)

_IS_PLANNED = col(Pack.relay_state) == literal_column("'planned'")
_IS_WAITING = col(Pack.relay_state).in_([literal_column(f"'{state.value}'") for state in WAITING])
"""Spelled out, because bound values would not match the partial indexes."""


def offer_handed_over(session: Session, last_day: Callable[[int, datetime], date]) -> int:
    """Offer the packs whose mails have left; ``last_day`` (house, instant) says until when they are worth passing on.

    A newer pack of a series replaces the older ones that nobody took. Returns how many were offered.
    """
    query = (
        select(Pack, Dispatch)
        .join(Dispatch, col(Dispatch.id) == col(Pack.dispatch_id))
        .where(_IS_PLANNED, col(Dispatch.status) == DispatchStatus.sent)
        .order_by(col(Dispatch.sent_at), col(Pack.id))
    )
    found = session.execute(query).all()
    for pack, dispatch in found:
        new = RelayState.forwarded if dispatch.route is Route.list_address else RelayState.offered
        at = dispatch.sent_at or dispatch.due_at
        move(pack, new, at)
        pack.due_on = last_day(pack.organisation_id, at)
        _replace_earlier(session, pack)
    session.flush()
    return len(found)


def has_moving_packs(session: Session, today: date) -> bool:
    """Some pack waits for its hand-over to be noticed, or for its end: cheap, because it is asked every minute."""
    handed_over = select(col(Pack.id)).join(Dispatch, col(Dispatch.id) == col(Pack.dispatch_id))
    handed_over = handed_over.where(_IS_PLANNED, col(Dispatch.status) == DispatchStatus.sent)
    overdue = select(col(Pack.id)).where(_IS_WAITING, col(Pack.due_on) < today)
    return any(session.execute(query.limit(1)).first() is not None for query in (handed_over, overdue))


def _replace_earlier(session: Session, pack: Pack) -> None:
    earlier = select(Pack).where(
        col(Pack.campaign_id) == pack.campaign_id,
        col(Pack.organisation_id) == pack.organisation_id,
        col(Pack.id) != pack.id,
        col(Pack.state_at) <= pack.state_at,
        col(Pack.relay_state).in_(UNTAKEN),
    )
    for old in session.execute(earlier).scalars():
        move(old, RelayState.replaced, pack.state_at)


def expire_overdue(session: Session, today: date, now: datetime) -> int:
    """End what waits after its last day; returns how many."""
    for old in WAITING:
        check_relay(old, RelayState.expired)
    done = session.execute(
        update(Pack)
        .where(_IS_WAITING, col(Pack.due_on) < today)
        .values(relay_state=RelayState.expired, state_at=now)
        .execution_options(synchronize_session=False)
    )
    return int(done.rowcount)  # type: ignore[attr-defined]


def move(pack: Pack, new: RelayState, at: datetime) -> bool:
    """Move a pack on; False where it is there already. Raises IllegalMoveError for a move no table lists."""
    if pack.relay_state is new:
        return False
    check_relay(pack.relay_state, new)
    pack.relay_state, pack.state_at = new, at
    return True


def offer_again(pack: Pack, last_day: date, at: datetime) -> None:
    """Somebody else in the house has it from now on, with the whole time before them; one not handed over yet stays planned.

    Raises IllegalMoveError for a pack that was passed on, or replaced.
    """
    if pack.relay_state is not RelayState.planned:
        move(pack, RelayState.offered, at)
        pack.due_on = last_day


def postpone(pack: Pack, until: date, at: datetime) -> bool:
    """Not now but by ``until``; its last day moves there."""
    if pack.relay_state is RelayState.postponed and pack.due_on == until:
        return False
    if pack.relay_state is not RelayState.postponed:
        move(pack, RelayState.postponed, at)
    pack.due_on = max(until, pack.due_on or until)
    return True
