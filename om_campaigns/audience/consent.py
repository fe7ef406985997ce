"""Who may be written to: bases, suppressions and erasure (LAW-01, LAW-09, UNS-08, UNS-09).

The conditions are SQL, so the same words decide in a plan of a million rows and at the hand-over of one letter.
Suppression beats every basis.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, FromClause, and_, delete, exists, func, literal, or_, select, update
from sqlmodel import Session, col

from om_campaigns import store
from om_campaigns.audience.changes import Change, record_change
from om_campaigns.audience.models import Address, Basis, Organisation, Person, Preference, PreferenceTopic, Seat, Suppression
from om_campaigns.audience.vocabulary import (
    BasisKind,
    DataRole,
    Origin,
    PersonStatus,
    Sender,
    SuppressionReason,
    SuppressionScope,
)
from om_campaigns.columns import table_of

OPEN_KINDS = (BasisKind.consent_doi, BasisKind.consent_written, BasisKind.membership_or_service_duty)
"""Kinds that carry mail by OM, and by a house that answers for the data jointly or has OM as its processor."""

CONSENTS = (BasisKind.consent_doi, BasisKind.consent_written)
"""Kinds a person gave themselves."""

Column = ColumnElement[Any]


def has_basis(address_id: Column, organisation: Any, mailing_list: Column | str, sender: Column | Sender) -> ColumnElement[bool]:
    """There is an unwithdrawn basis for mail of this list, sent in this name, to this address (LAW-01, LAW-04).

    ``organisation`` is the seat's house (table, alias or class); it must be in the FROM of the query.
    A house's own collection serves only mail in its own name, and ``existing_relation_7_3`` only the collector itself.
    """
    basis = table_of(Basis)
    by_om = basis.c.collector_id.is_(None)
    by_house = and_(basis.c.collector_id == _columns(organisation).id, _speaks(sender, Sender.home))
    house_may = _columns(organisation).data_role.in_((DataRole.processor, DataRole.joint))
    return exists().where(
        basis.c.address_id == address_id,
        basis.c.withdrawn_at.is_(None),
        or_(basis.c.mailing_list == mailing_list, basis.c.mailing_list == "*"),
        or_(
            and_(basis.c.kind.in_(OPEN_KINDS), or_(by_om, and_(by_house, house_may))),
            and_(
                basis.c.kind == BasisKind.existing_relation_7_3,
                or_(and_(by_om, _speaks(sender, Sender.om)), by_house),
            ),
        ),
    )


def has_own_consent(address_id: Column, mailing_list: str) -> ColumnElement[bool]:
    """The person subscribed: a consent of their own for this list, not a basis that comes with the house (domain rule 3)."""
    basis = table_of(Basis)
    return exists().where(
        basis.c.address_id == address_id,
        basis.c.withdrawn_at.is_(None),
        basis.c.kind.in_(CONSENTS),
        or_(basis.c.mailing_list == mailing_list, basis.c.mailing_list == "*"),
    )


def _columns(entity: Any) -> Any:
    """The columns of a table or alias; a mapped class carries them itself."""
    return entity.c if isinstance(entity, FromClause) else entity


def _speaks(sender: Column | Sender, name: Sender) -> ColumnElement[bool]:
    if isinstance(sender, Sender):
        return literal(sender is name)
    return sender == name


def is_suppressed(address: Any, organisation: Any, mailing_list: Column | str) -> ColumnElement[bool]:
    """The address is suppressed for this list, this house, or altogether.

    ``address`` and ``organisation`` are tables, aliases or classes in the FROM of the query. Both hashes of the address are asked for,
    under its current key only: intake renews suppressions of older keys as soon as it sees the address again.
    """
    blocked = table_of(Suppression)
    is_left = or_(
        blocked.c.reopened.is_(None), func.replace(blocked.c.reopened, literal(" ") + mailing_list + " ", "") == blocked.c.reopened
    )
    return exists().where(
        stops(address),
        or_(
            and_(blocked.c.scope_kind == SuppressionScope.all, is_left),
            and_(blocked.c.scope_kind == SuppressionScope.mailing_list, blocked.c.scope == mailing_list),
            and_(blocked.c.scope_kind == SuppressionScope.organisation, blocked.c.scope == _columns(organisation).public_id, is_left),
        ),
    )


def is_suppressed_somewhere(address: Any) -> ColumnElement[bool]:
    """Some suppression names the address, in whatever scope: asked first where everybody is asked, because it is so of few."""
    hashes, columns = select(table_of(Suppression).c.hmac), _columns(address)
    return or_(columns.hmac.in_(hashes), columns.folded_hmac.in_(hashes))


def stops(address: Any) -> ColumnElement[bool]:
    """A row of ``suppression`` is about this mailbox, however it is spelled. ``address``: a table, alias, class, row or ``Address``."""
    blocked, columns = table_of(Suppression), _columns(address)
    return and_(blocked.c.hmac.in_((columns.hmac, columns.folded_hmac)), blocked.c.key_id == columns.key_id)


def record_suppression(
    session: Session,
    address: Address,
    reason: SuppressionReason,
    now: datetime,
    *,
    scope_kind: SuppressionScope = SuppressionScope.all,
    scope: str = "",
) -> bool:
    """Suppress an address under both its hashes; False when it already was in all of this scope. Later imports never undo it (UNS-09)."""
    if address.folded_hmac is not None:
        _suppress(session, address.folded_hmac, address.key_id, reason, now, scope_kind, scope)
    return _suppress(session, address.hmac, address.key_id, reason, now, scope_kind, scope)


def _suppress(
    session: Session, hashed: str, key_id: str, reason: SuppressionReason, now: datetime, scope_kind: SuppressionScope, scope: str
) -> bool:
    blocked, scoped = table_of(Suppression), {"hmac": hashed, "key_id": key_id, "scope_kind": scope_kind, "scope": scope}
    if store.add_new(session, blocked, **scoped, reason=reason, at=now):
        return True
    is_there = and_(*(blocked.c[name] == value for name, value in scoped.items()), blocked.c.reopened.is_not(None))
    return store.change(session, update(blocked).where(is_there).values(reason=reason, at=now, reopened=None)) == 1


def withdraw_consents(
    session: Session, address_id: int, now: datetime, *, mailing_list: str | None = None, collector_id: int | None = None
) -> int:
    """Write down that the person took back what they had agreed to (LAW-05, LAW-08): for one list, one house, or all; returns how many."""
    basis = table_of(Basis)
    given = [basis.c.address_id == address_id, basis.c.kind.in_(CONSENTS), basis.c.withdrawn_at.is_(None)]
    if mailing_list is not None:
        given.append(basis.c.mailing_list == mailing_list)
    if collector_id is not None:
        given.append(basis.c.collector_id == collector_id)
    return store.change(session, update(basis).where(*given).values(withdrawn_at=now))


def erase_person(session: Session, person: Person, now: datetime, *, actor: str, batch: str) -> list[int]:
    """Make a person a nameless tombstone (LAW-21); returns the ids of the addresses that were emptied with them.

    Rows keep their integer ids, so facts and statistics stay and nothing is ever sent twice; names, addresses, bases and
    the values in the change log go. Addresses that somebody else still uses stay. Suppressions stay as hashes (LAW-09).
    """
    used = {person.main_address_id, *session.execute(select(Seat.address_id).where(col(Seat.person_id) == person.id)).scalars()}  # type: ignore[call-overload]
    shared = _addresses_of_others(session, person, {each for each in used if each is not None})
    emptied = sorted(each for each in used if each is not None and each not in shared)
    for address in session.execute(select(Address).where(col(Address.id).in_(emptied))).scalars():
        address.address = address.normal_key = f"{address.ref}@erased.invalid"
        address.domain = "erased.invalid"
        address.hmac, address.folded_hmac = f"erased:{address.ref}", None
        address.erased_at = now
    for owned in (table_of(Preference), table_of(PreferenceTopic), table_of(Basis)):
        session.execute(delete(owned).where(owned.c.address_id.in_(emptied)))
    person.full_name, person.name_key, person.staff_key, person.salutation = "", "", None, None
    person.status = PersonStatus.erased
    _forget_changes(session, "person", [person.id])
    _forget_changes(session, "address", emptied)
    record_change(session, "person", person.id, "erased", None, "yes", now, actor, Origin.staff, batch)
    session.flush()
    return emptied


def _addresses_of_others(session: Session, person: Person, ids: Iterable[int]) -> set[int]:
    asked = list(ids)
    by_person = select(Person.main_address_id).where(col(Person.main_address_id).in_(asked), col(Person.id) != person.id)  # type: ignore[call-overload]
    by_seat = select(Seat.address_id).where(  # type: ignore[call-overload]
        col(Seat.address_id).in_(asked), or_(col(Seat.person_id).is_(None), col(Seat.person_id) != person.id)
    )
    by_house = select(Organisation.list_address_id).where(col(Organisation.list_address_id).in_(asked))  # type: ignore[call-overload]
    return {found for query in (by_person, by_seat, by_house) for found in session.execute(query).scalars()}


def _forget_changes(session: Session, entity: str, ids: list[int]) -> None:
    session.execute(update(Change).where(col(Change.entity) == entity, col(Change.entity_id).in_(ids)).values(old=None, new=None))
