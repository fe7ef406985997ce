"""Handing a pack over: somebody else in the house receives it once more, because a contact changed or a deputy steps in.

The pack stays what it is, with its code and its houses; what is owed anew is only its mails, as an occasion of their own
(``+h1``, ``+h2`` … behind that of the letter). They are service mail: asked for, so no cap holds them back.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, insert, select, update
from sqlmodel import Session

from om_campaigns.audience.models import Seat
from om_campaigns.audience.vocabulary import RecipientKind
from om_campaigns.campaign.corrections import COPIED
from om_campaigns.campaign.models import Dispatch, Pack
from om_campaigns.campaign.routing import Receiver
from om_campaigns.campaign.vocabulary import DispatchStatus, Reason
from om_campaigns.columns import table_of
from om_campaigns.errors import RefusedError

MARK = "+h"
"""Begins the number of a handing-over in an occasion."""

OPEN_FOR = timedelta(days=5)
"""The mails go at once, whatever the window; what a server puts off for longer waits for the next opening."""

WAITING = (DispatchStatus.planned, DispatchStatus.retry, DispatchStatus.held)
UNDER_WAY = (DispatchStatus.claimed, DispatchStatus.uncertain)


def hand_over(session: Session, pack: Pack, receiver: Receiver, now: datetime) -> bool:
    """Owe the mails of a pack to another receiver; False where they are owed to, or were sent to, that address already.

    Raises RefusedError while its mails are under way, or nobody knows whether they arrived.
    """
    dispatch = table_of(Dispatch)
    earlier = session.execute(select(dispatch).where(dispatch.c.id == pack.dispatch_id)).one()
    if earlier.address_id == receiver.address_id:
        return False
    if earlier.status in UNDER_WAY:
        raise RefusedError(
            f"the mails of pack {pack.code} are {earlier.status.value}",
            hint="see 'om-campaigns ledger --status uncertain'",
        )
    recipient = _recipient(session, earlier, receiver)
    if earlier.status in WAITING:
        session.execute(
            update(dispatch)
            .where(dispatch.c.id == earlier.id)
            .values(status=DispatchStatus.cancelled, reason=Reason.colleague_relays, detail="")
        )
    pack.dispatch_id = _owe(session, earlier, recipient, now)
    session.flush()
    return True


def _recipient(session: Session, earlier: Any, receiver: Receiver) -> dict[str, Any]:
    """A house's pack is the house's, whoever receives it; a letter to a person is that person's."""
    changed = {"address_id": receiver.address_id, "seat_id": receiver.seat_id}
    if earlier.recipient_kind is RecipientKind.organisation:
        return changed
    person = session.get_one(Seat, receiver.seat_id).person_id
    kind = RecipientKind.organisation if person is None else RecipientKind.person
    return changed | {"recipient_kind": kind, "recipient_id": person or earlier.organisation_id}


def _owe(session: Session, earlier: Any, recipient: dict[str, Any], now: datetime) -> int:
    dispatch = table_of(Dispatch)
    occasion = earlier.occasion.partition(MARK)[0]
    number = session.execute(
        select(func.count()).where(
            dispatch.c.campaign_id == earlier.campaign_id,
            dispatch.c.step == earlier.step,
            dispatch.c.organisation_id == earlier.organisation_id,
            dispatch.c.occasion.startswith(occasion + MARK, autoescape=True),
        )
    ).scalar_one()
    values = {name: getattr(earlier, name) for name in COPIED} | recipient
    values |= {"occasion": f"{occasion}{MARK}{number + 1}", "service": True, "status": DispatchStatus.planned, "reason": Reason.none}
    values |= {"detail": "", "attempts": 0, "due_day": earlier.due_day, "open_until": now + OPEN_FOR}
    values |= dict.fromkeys(("planned_at", "first_due_at", "due_at"), now)
    return int(session.execute(insert(dispatch).values(**values).returning(dispatch.c.id)).scalar_one())
