"""Corrections: who got a step in words that have been changed since gets it once more; and packs handed over to somebody else.

A correction is an occasion of its own (``+c1``, ``+c2`` … behind that of the letter), so the ledger's key keeps it from going
twice. It is service mail: no cap holds it back and it counts against none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, exists, func, insert, literal, or_, select, update
from sqlmodel import Session

from om_campaigns import chance
from om_campaigns.audience.models import Seat
from om_campaigns.audience.vocabulary import RecipientKind
from om_campaigns.campaign.models import Campaign, CampaignFile, CampaignVersion, Dispatch, Pack, PackOrganisation
from om_campaigns.campaign.packs import new_code
from om_campaigns.campaign.routing import Receiver
from om_campaigns.campaign.slices import fill_slice, in_slice
from om_campaigns.campaign.vocabulary import DispatchStatus, Reason, RelayState
from om_campaigns.columns import Instant, new_ref, table_of
from om_campaigns.errors import InputError, RefusedError
from om_campaigns.nearest import make_hint
from om_campaigns.store import change, insert_ignoring

MARK = "+c"
"""Begins the number of a correction in an occasion."""

OPEN_FOR = timedelta(days=5)
"""A correction, or a pack handed over, goes at once, whatever the window; what a server puts off for longer waits for the next opening."""

COPIED = (
    "campaign_id", "step", "recipient_kind", "recipient_id", "enrolment_id", "version_id", "address_id", "organisation_id", "seat_id",
    "audience", "route", "sender", "variant", "language", "priority", "left_out",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Corrected:
    """What was found: ``suffix`` of the occasion, how many letters are owed by it now, and how many got the old words or may have."""

    suffix: str
    owed: int
    got_it: int
    uncertain: int


@dataclass(frozen=True, slots=True)
class Affected:
    """The latest letters, ``numbers`` of dispatches, to whoever got a step in other words; how many more may have got them."""

    suffix: str
    numbers: Sequence[int]
    uncertain: int


def is_correction(occasion: str) -> bool:
    """This occasion corrects another one."""
    return MARK in occasion


def find_affected(session: Session, campaign: Campaign, step: str, says_otherwise: Callable[[datetime], ColumnElement[bool]]) -> Affected:
    """Everybody who got an earlier wording of a step than the present one.

    ``says_otherwise`` is the condition for dispatches whose letter left only after that instant, and was made before all the same.
    Raises InputError for an unknown step, RefusedError where nobody got other words than those published now.
    """
    since = _worded_since(session, campaign, step)
    dispatch = table_of(Dispatch)
    steps = (
        dispatch.c.campaign_id == campaign.id,
        dispatch.c.step == step,
        ~dispatch.c.occasion.contains(MARK, autoescape=True),
    )
    got_it = (*steps, dispatch.c.status == DispatchStatus.sent, or_(dispatch.c.sent_at < since, says_otherwise(since)))
    numbers = sorted(session.execute(_latest(*got_it)).scalars())
    uncertain = session.execute(select(func.count()).where(*steps, dispatch.c.status == DispatchStatus.uncertain)).scalar_one()
    if not numbers:
        raise RefusedError(
            f"nobody got '{campaign.name}/{step}' in other words than those published now",
            hint="correct the text, 'om-campaigns campaign publish', then send the correction",
        )
    return Affected(f"{MARK}{_number(session, campaign, step, since)}", numbers, uncertain)


def count_uncorrected(session: Session, affected: Affected) -> int:
    """How many of them are not owed the correction yet."""
    dispatch = table_of(Dispatch)
    owed = dispatch.alias("owed")
    same = (owed.c[name] == dispatch.c[name] for name in ("campaign_id", "step", "recipient_kind", "recipient_id"))
    is_owed = exists().where(*same, owed.c.occasion == dispatch.c.occasion + affected.suffix)
    fill_slice(session, affected.numbers)
    number: int = session.execute(select(func.count()).select_from(dispatch).where(in_slice(dispatch), ~is_owed)).scalar_one()
    return number


def correct(session: Session, campaign: Campaign, step: str, suffix: str, part: Sequence[int], now: datetime) -> int:
    """Owe the present wording to one slice of those who are affected, with their packs; returns to how many it was not owed yet."""
    fill_slice(session, part)
    owed = _owe(session, suffix, now)
    _copy_packs(session, campaign, step, suffix, now)
    return owed


def _latest(*conditions: ColumnElement[bool]) -> Select[Any]:
    """The id of each recipient's latest letter, so that somebody who had the step twice gets one correction."""
    dispatch = table_of(Dispatch)
    return select(func.max(dispatch.c.id)).where(*conditions).group_by(dispatch.c.recipient_kind, dispatch.c.recipient_id)


def _worded_since(session: Session, campaign: Campaign, step: str) -> datetime:
    """When the present wording of a step was published: the first of the latest versions that say the same."""
    version, file = table_of(CampaignVersion), table_of(CampaignFile)
    rows = session.execute(
        select(version.c.number, version.c.published_at, file.c.path, file.c.blob_hash)
        .join_from(version, file, file.c.version_id == version.c.id)
        .where(version.c.campaign_id == campaign.id)
        .order_by(version.c.number.desc())
    ).all()
    own, other = f"campaigns/{campaign.name}/{step}.", f"campaigns/{campaign.name}/"
    wordings: dict[int, set[tuple[str, str]]] = {}
    times: dict[int, datetime] = {}
    for number, published_at, path, body in rows:
        times[number] = published_at
        if path.startswith(own) or not path.startswith(other):
            wordings.setdefault(number, set()).add((path, body))
    latest = max(times)
    if not any(path.startswith(own) for path, _ in wordings.get(latest, ())):
        known = {path.removeprefix(other).partition(".")[0] for number, _, path, _ in rows if number == latest and path.startswith(other)}
        hint = make_hint(step, sorted(known), f"see 'om-campaigns campaign show {campaign.name}'")
        raise InputError(f"campaign '{campaign.name}' has no step '{step}'", hint=hint)
    since = latest
    while wordings.get(since - 1) == wordings[latest]:
        since -= 1
    return times[since]


def _number(session: Session, campaign: Campaign, step: str, since: datetime) -> int:
    """The number of this correction: that of one planned after the wording was published, else the next."""
    dispatch = table_of(Dispatch)
    query = (
        select(dispatch.c.occasion, func.max(dispatch.c.planned_at))
        .where(dispatch.c.campaign_id == campaign.id, dispatch.c.step == step, dispatch.c.occasion.contains(MARK, autoescape=True))
        .group_by(dispatch.c.occasion)
    )
    latest, planned_at = max(((int(each.rpartition(MARK)[2]), at) for each, at in session.execute(query)), default=(0, since))
    return latest if latest and planned_at >= since else latest + 1


def _owe(session: Session, suffix: str, now: datetime) -> int:
    dispatch = table_of(Dispatch)
    columns: dict[str, Any] = {
        **{name: dispatch.c[name] for name in COPIED},
        "occasion": dispatch.c.occasion + suffix,
        "service": literal(True),
        "status": literal(DispatchStatus.planned.value),
        "reason": literal(Reason.none.value),
        "detail": literal(""),
        "planned_at": literal(now, Instant),
        "first_due_at": literal(now, Instant),
        "due_at": literal(now, Instant),
        "due_day": dispatch.c.due_day,
        "open_until": literal(now + OPEN_FOR, Instant),
        "attempts": literal(0),
    }
    rows = select(*columns.values()).where(in_slice(dispatch))
    return change(session, insert_ignoring(session, dispatch, list(columns), rows))


def _copy_packs(session: Session, campaign: Campaign, step: str, suffix: str, now: datetime) -> None:
    """A corrected pack is a pack of its own, with a code of its own, for the same houses."""
    dispatch, pack, served = table_of(Dispatch), table_of(Pack), table_of(PackOrganisation)
    corrected = dispatch.alias("corrected")
    query = (
        select(pack, corrected.c.id.label("new_dispatch"), corrected.c.occasion.label("new_occasion"))
        .join_from(pack, dispatch, dispatch.c.id == pack.c.dispatch_id)
        .join(
            corrected,
            (corrected.c.campaign_id == dispatch.c.campaign_id)
            & (corrected.c.step == dispatch.c.step)
            & (corrected.c.recipient_kind == dispatch.c.recipient_kind)
            & (corrected.c.recipient_id == dispatch.c.recipient_id)
            & (corrected.c.occasion == dispatch.c.occasion + suffix),
        )
        .where(pack.c.campaign_id == campaign.id, pack.c.step == step)
        .where(~select(pack.c.id).where(pack.c.dispatch_id == corrected.c.id).correlate(corrected).exists())
    )
    packs = session.execute(query).all()
    known = set(session.execute(select(pack.c.code)).scalars()) if packs else set()
    for row in packs:
        code = new_code(known, chance.draw_symbol)
        values = {"campaign_id": row.campaign_id, "occasion": row.new_occasion, "step": row.step}
        made = insert(pack).values(
            public_id=new_ref(), code=code, dispatch_id=row.new_dispatch, organisation_id=row.organisation_id,
            relay_state=RelayState.planned, state_at=now, named=row.named, **values,
        )  # fmt: skip
        number = session.execute(made.returning(pack.c.id)).scalar_one()
        houses = session.execute(
            select(served.c.organisation_id, served.c.relay_id, served.c.level).where(served.c.pack_id == row.id)
        ).mappings()
        session.execute(insert(served), [{**each, **values, "pack_id": number} for each in houses])


HANDING_OVER_MARK = "+h"
"""Begins the number of a handing-over in an occasion."""

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
    pack.dispatch_id = _owe_to(session, earlier, recipient, now)
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


def _owe_to(session: Session, earlier: Any, recipient: dict[str, Any], now: datetime) -> int:
    dispatch = table_of(Dispatch)
    occasion = earlier.occasion.partition(HANDING_OVER_MARK)[0]
    number = session.execute(
        select(func.count()).where(
            dispatch.c.campaign_id == earlier.campaign_id,
            dispatch.c.step == earlier.step,
            dispatch.c.organisation_id == earlier.organisation_id,
            dispatch.c.occasion.startswith(occasion + HANDING_OVER_MARK, autoescape=True),
        )
    ).scalar_one()
    values = {name: getattr(earlier, name) for name in COPIED} | recipient
    values |= {
        "occasion": f"{occasion}{HANDING_OVER_MARK}{number + 1}",
        "service": True,
        "status": DispatchStatus.planned,
        "reason": Reason.none,
    }
    values |= {"detail": "", "attempts": 0, "due_day": earlier.due_day, "open_until": now + OPEN_FOR}
    values |= dict.fromkeys(("planned_at", "first_due_at", "due_at"), now)
    return int(session.execute(insert(dispatch).values(**values).returning(dispatch.c.id)).scalar_one())
