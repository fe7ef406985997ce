"""What recipients may ask for: to be forgotten, in every room at once (LAW-21)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, literal_column, or_, select, union, update
from sqlmodel import Session, col

from om_campaigns import engines, events, store
from om_campaigns.app import App, require_real_clock
from om_campaigns.audience import consent
from om_campaigns.audience.changes import Change
from om_campaigns.audience.contact_lines import forget_person
from om_campaigns.audience.models import Address, Basis, Person, Response, Seat, Suppression, Touch
from om_campaigns.audience.opt_ins import OptIn, end_proofs
from om_campaigns.audience.responses import Acknowledgement, ActionReport
from om_campaigns.audience.tasks import Task
from om_campaigns.audience.vocabulary import PersonStatus, RecipientKind, SuppressionReason
from om_campaigns.campaign.matching import dispatches_to
from om_campaigns.campaign.models import Dispatch, Enrolment
from om_campaigns.campaign.vocabulary import DispatchStatus, EnrolmentState, Reason
from om_campaigns.columns import new_ref, table_of
from om_campaigns.compose.models import OverlayChange
from om_campaigns.delivery.models import Message, MessageDispatch, MessageSlots, MessageState
from om_campaigns.delivery.service_mails import forget_notices
from om_campaigns.delivery.states import check_dispatch, check_message
from om_campaigns.errors import RefusedError

_SIGNED = tuple(table_of(each) for each in (Change, Acknowledgement, ActionReport, OverlayChange))
"""Where what people of houses do in the portal stands with their name."""

_OPEN = (DispatchStatus.planned, DispatchStatus.held, DispatchStatus.retry)

_dispatch, _message, _served, _slots = (table_of(each) for each in (Dispatch, Message, MessageDispatch, MessageSlots))


@dataclass(frozen=True, slots=True)
class Stays:
    """What erasing leaves, and why it may."""

    what: str
    number: int
    why: str


@dataclass(frozen=True, slots=True)
class Erased:
    """The report a person may be sent: ``erased`` counts what went, by name."""

    erased: dict[str, int]
    stays: list[Stays]


def erase_person(app: App, person_id: int, now: datetime, actor: str) -> Erased:
    """Forget a person in all rooms: name, addresses, bases, what is owed, values and copies of mails.

    Addresses that were theirs alone are suppressed as hashes first, so that a later file brings no mail to them.
    Raises RefusedError for somebody who was erased before.
    """
    require_real_clock(app)
    with store.write(app.engine) as session:
        person = session.get_one(Person, person_id)
        if person.status is PersonStatus.erased:
            raise RefusedError("this person was erased before")
        known, names = _addresses(session, person), _names(session, person)
        end_proofs(session, table_of(Basis).c.address_id.in_(list(known)), now)
        emptied = consent.erase_person(session, person, now, actor=actor, batch=new_ref())
        keys = [known[each].normal_key for each in emptied]
        for address_id in emptied:
            hashes = {name: getattr(known[address_id], name) for name in ("hmac", "folded_hmac", "key_id")}
            nameless = Address(address="", normal_key="", domain="", **hashes)
            consent.record_suppression(session, nameless, SuppressionReason.staff, now)
        letters, refs = _letters(session, person_id, emptied)
        refs += forget_notices(session, emptied, keys)
        erased = {
            "name": 1,
            "addresses": len(emptied),
            "letters_cancelled": _cancel(session, person_id),
            "enrolments_stopped": _stop(session, person_id, now),
            "values_in_sent_mails": _forget_letters(session, letters),
            "answers": _forget_answers(session, person_id),
            "contact_lines": forget_person(session, names, keys),
            "signatures": _forget_signatures(session, names, person.public_id),
            "names_in_tasks": _forget_tasks(session, emptied),
            "subscriptions_asked_for": _forget_requests(session, keys),
        }
        stays = _what_stays(
            session,
            person_id,
            [hashed for each in known.values() for hashed in (each.hmac, each.folded_hmac) if hashed],
            keys,
            len(known) - len(emptied),
        )
    engines.empty_log(app.engine)
    erased["copies_in_outbox"] = _delete_copies(app, refs)
    erased["mails_of_theirs"] = _delete_mails(app, keys)
    events.person_erased(person_id, len(emptied))
    return Erased(erased, stays)


def _names(session: Session, person: Person) -> set[str]:
    """The name of a person, and every one they had before."""
    change = table_of(Change)
    mine = (change.c.entity == "person", change.c.entity_id == person.id, change.c.field.in_(("full_name", "name")))
    rows = session.execute(select(change.c.old, change.c.new).where(*mine)).all()
    return {each for each in (person.full_name, *(name for row in rows for name in row)) if each}


def _addresses(session: Session, person: Person) -> dict[int, Any]:
    """Id → hmac, folded_hmac, key_id and normal_key of every address of a person."""
    address, seat = table_of(Address), table_of(Seat)
    theirs = or_(
        address.c.id == person.main_address_id,
        address.c.id.in_(select(seat.c.address_id).where(seat.c.person_id == person.id, seat.c.address_id.is_not(None))),
    )
    rows = session.execute(
        select(address.c.id, address.c.hmac, address.c.folded_hmac, address.c.key_id, address.c.normal_key).where(theirs)
    )
    return {row.id: row for row in rows}


def _mine(person_id: int) -> Any:
    return _dispatch.c.id.in_(dispatches_to(RecipientKind.person, person_id))


def _letters(session: Session, person_id: int, address_ids: list[int]) -> tuple[list[int], list[str]]:
    """Ids and refs of every message that carried something to this person."""
    served = select(_served.c.message_id).where(_served.c.dispatch_id.in_(dispatches_to(RecipientKind.person, person_id)))
    at_theirs = select(_message.c.id).where(_message.c.address_id.in_(address_ids))
    rows = session.execute(select(_message.c.id, _message.c.ref).where(_message.c.id.in_(union(served, at_theirs)))).all()
    return [row.id for row in rows], [row.ref for row in rows]


def _cancel(session: Session, person_id: int) -> int:
    """Cancel what is open, and forget what servers said about the address. A claimed letter is stopped at the hand-over."""
    for status in _OPEN:
        check_dispatch(status, DispatchStatus.cancelled)
    cancelled: Any = session.execute(
        update(_dispatch)
        .where(_mine(person_id), _dispatch.c.status.in_(_OPEN))
        .values(status=DispatchStatus.cancelled, reason=Reason.erased)
    )
    session.execute(update(_dispatch).where(_mine(person_id)).values(detail=""))
    return int(cancelled.rowcount)


def _stop(session: Session, person_id: int, now: datetime) -> int:
    enrolment = table_of(Enrolment)
    stopped: Any = session.execute(
        update(enrolment)
        .where(
            enrolment.c.subject_kind == RecipientKind.person,
            enrolment.c.subject_id == person_id,
            enrolment.c.state == EnrolmentState.active,
        )
        .values(state=EnrolmentState.stopped, reason=Reason.erased, next_step=None, next_due_at=None, ended_at=now)
    )
    return int(stopped.rowcount)


def _forget_letters(session: Session, message_ids: list[int]) -> int:
    check_message(MessageState.retry, MessageState.failed)
    mine = _message.c.id.in_(message_ids)
    session.execute(update(_message).where(mine, _message.c.state == MessageState.retry).values(state=MessageState.failed))
    session.execute(update(_message).where(mine).values(envelope_to="", reply=""))
    forgotten: Any = session.execute(delete(_slots).where(_slots.c.message_id.in_(message_ids)))
    return int(forgotten.rowcount)


def _forget_answers(session: Session, person_id: int) -> int:
    response = table_of(Response)
    forgotten: Any = session.execute(update(response).where(response.c.person_id == person_id).values(detail={}))
    return int(forgotten.rowcount)


def _forget_signatures(session: Session, names: set[str], public_id: str) -> int:
    """What they did in the portal stays, signed by the id of somebody who has no name any more. A namesake loses theirs with them."""
    number = 0
    for table in _SIGNED:
        signed = update(table).where(table.c.origin == literal_column("'partner'"), table.c.actor.in_(names)).values(actor=public_id)
        number += store.change(session, signed)
    for task in session.execute(select(Task)).scalars():
        if (task.detail or {}).get("by") in names:
            task.detail = {**task.detail, "by": public_id}
            number += 1
    return number


def _forget_tasks(session: Session, address_ids: list[int]) -> int:
    """The name that a page took down for the people of OM, where nobody stood behind the address yet."""
    number = 0
    for task in session.execute(select(Task).where(col(Task.address_id).in_(address_ids))).scalars():
        if "name" in (task.detail or {}):
            task.detail = {key: value for key, value in task.detail.items() if key != "name"}
            number += 1
    return number


def _forget_requests(session: Session, keys: list[str]) -> int:
    """Subscriptions that were never confirmed."""
    opt_in = table_of(OptIn)
    return store.change(session, delete(opt_in).where(opt_in.c.normal_key.in_(keys), opt_in.c.confirmed_at.is_(None)))


def _what_stays(session: Session, person_id: int, hashes: list[str], keys: list[str], shared: int) -> list[Stays]:
    """``keys``: the addresses that were theirs alone."""
    touch, suppression, opt_in = table_of(Touch), table_of(Suppression), table_of(OptIn)
    proofs = select(func.count()).where(opt_in.c.normal_key.in_(keys))
    touches = select(func.count()).where(touch.c.recipient_kind == RecipientKind.person, touch.c.recipient_id == person_id)
    blocked = select(func.count()).where(suppression.c.hmac.in_(hashes))
    rows = select(func.count()).where(_mine(person_id))
    found = [
        Stays("facts that a letter went out", session.execute(touches).scalar_one(), "without a name; so that nothing is sent twice"),
        Stays("ledger rows", session.execute(rows).scalar_one(), "without a name; the count of what was sent stays true"),
        Stays("suppressions", session.execute(blocked).scalar_one(), "a keyed hash; so that no later file brings mail there (Art. 21)"),
        Stays("proofs of consent", session.execute(proofs).scalar_one(), "with name and address, three years, to prove consent (LAW-07)"),
        Stays("shared addresses", shared, "somebody else uses them too; their own bases count"),
    ]
    return [each for each in found if each.number]


def _delete_mails(app: App, addresses: Sequence[str]) -> int:
    """Mails that came in and name one of these addresses."""
    found = [path for path in app.inbox.glob("*.eml") if any(each.lower() in path.read_text("latin-1").lower() for each in addresses)]
    for path in found:
        path.unlink(missing_ok=True)
    return len(found)


def _delete_copies(app: App, refs: list[str]) -> int:
    """Mails of the rehearsal lie as files named by their ref."""
    copies = [path for ref in refs for path in app.outbox.glob(f"*-{ref}.eml")]
    for path in copies:
        path.unlink(missing_ok=True)
    return len(copies)
