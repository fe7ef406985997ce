"""The SQL of claims, written once for both databases and handed to the driver as it is.

Parameters are ``:name``; for psycopg they become ``%(name)s``. The permission check is not written here a second time: it is
compiled from the same conditions that the planner uses (``audience.consent``).
"""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import ColumnElement, Dialect, exists, literal_column, or_, select
from sqlmodel import col

from om_campaigns.audience.consent import has_basis, is_suppressed
from om_campaigns.audience.models import Address, Organisation, Person
from om_campaigns.audience.vocabulary import OrganisationStatus, PersonStatus, RecipientKind
from om_campaigns.campaign.models import Campaign, Dispatch
from om_campaigns.campaign.vocabulary import CampaignStatus, Reason
from om_campaigns.delivery.outcomes import PARAMETER, RECORD_MESSAGE, in_words_of
from om_campaigns.store import Instance

INSERT_MESSAGE = (
    "INSERT INTO message (id, ref, message_id, kind, campaign_id, address_id, envelope_from, envelope_to, edition_id, state,"
    " worker_id, claim_id, attempts, claimed_at, reply, zone, ideas, items) VALUES (:id, :ref, :message_id, 'campaign', :campaign_id,"
    " :address_id, :envelope_from, :envelope_to, :edition_id, 'claimed', :worker, :claim, 0, :now, '', :zone, :ideas, :items)"
)
RECLAIM_MESSAGE = (
    "UPDATE message SET state = 'claimed', worker_id = :worker, claim_id = :claim, envelope_from = :envelope_from,"
    " envelope_to = :envelope_to, edition_id = :edition_id, address_id = :address_id, zone = :zone, ideas = :ideas, items = :items"
    " WHERE id = :id AND state = 'retry'"
)
INSERT_PART = "INSERT INTO message_dispatch (message_id, dispatch_id, part) VALUES (:message, :dispatch, :part) ON CONFLICT DO NOTHING"
INSERT_SLOTS = (
    "INSERT INTO message_slots (message_id, slot_values) VALUES (:message, :slot_values)"
    " ON CONFLICT (message_id) DO UPDATE SET slot_values = excluded.slot_values"
)
COUNT_CLAIM = "UPDATE instance SET send_counter = send_counter + 1 RETURNING send_counter"
FAIL_RETRY = "UPDATE message SET state = 'failed' WHERE id = :id AND state = 'retry'"
DELETE_BUCKETS = "DELETE FROM pace WHERE scope = 'rate' AND subject = :subject AND (window_start <= :old OR window_start > :future)"
SELECT_BUCKETS = "SELECT window_start, used FROM pace WHERE scope = 'rate' AND subject = :subject ORDER BY window_start"
ADD_TO_BUCKET = (
    "INSERT INTO pace (scope, subject, window_start, used, detail) VALUES ('rate', :subject, :bucket, :count, '')"
    " ON CONFLICT (scope, subject, window_start) DO UPDATE SET used = pace.used + excluded.used"
)
LEAVE_BUCKET = "UPDATE pace SET used = used - 1 WHERE scope = 'rate' AND subject = :subject AND window_start = :bucket AND used > 0"


class Statements:
    """Every statement of ``Claims`` in one driver's words."""

    def __init__(self, dialect: Dialect) -> None:
        postgres = dialect.name == "postgresql"

        def own(sql: str) -> str:
            return in_words_of(dialect.name, sql)

        self.begin = "BEGIN" if postgres else "BEGIN IMMEDIATE"
        self.insert_message = own(INSERT_MESSAGE) if postgres else _of_json(INSERT_MESSAGE)
        self.reclaim_message = own(RECLAIM_MESSAGE)
        self.insert_part = own(INSERT_PART) if postgres else _of_json(INSERT_PART)
        self.insert_slots = own(INSERT_SLOTS) if postgres else _of_json(INSERT_SLOTS)
        self.count_claim = COUNT_CLAIM
        self.fail_retry = own(FAIL_RETRY)
        self.delete_buckets = own(DELETE_BUCKETS)
        self.select_buckets = own(SELECT_BUCKETS)
        self.add_to_bucket = own(ADD_TO_BUCKET)
        self.leave_bucket = own(LEAVE_BUCKET)
        chosen = "= ANY(:ids)" if postgres else "IN (SELECT value FROM json_each(:ids))"
        lock = " FOR UPDATE SKIP LOCKED" if postgres else ""
        self.is_alive = own(f"SELECT id FROM worker WHERE id = :worker AND ended_at IS NULL{' FOR SHARE' if postgres else ''}")
        self.claim_dispatches = own(
            "UPDATE dispatch SET status = 'claimed', reason = '', detail = '' WHERE id IN (SELECT id FROM dispatch"
            f" WHERE id {chosen} AND status IN ('planned', 'retry'){lock}) RETURNING id"
        )
        self.next_ids = own(
            "SELECT nextval(pg_get_serial_sequence('message', 'id')) FROM generate_series(1, :count)"
            if postgres
            else "SELECT coalesce(max(id), 0) FROM message WHERE :count > 0"
        )
        permitted = [condition for _, condition in conditions()]
        permission = _compile(dialect, [literal_column("1")], permitted)
        self.mark_sending = own(_mark_sending(permission))
        self.quick_step = None if postgres else make_quick_step(permission)
        self.is_permitted = own(permission)
        self.explain = own(_compile(dialect, [each.label(f"c{place}") for place, each in enumerate(permitted)], []))
        self.select_message = own("SELECT state, claim_id FROM message WHERE id = :message")


def _of_json(sql: str) -> str:
    """An INSERT of one row as one of many rows, ``:rows`` in JSON: one call of the driver instead of one per row."""
    head, _, rest = sql.partition(" VALUES (")
    values, _, tail = rest.partition(")")
    taken = PARAMETER.sub(r"json_extract(value, '$.\1')", values)
    return f"{head} SELECT {taken} FROM json_each(:rows) WHERE true{tail}"


def make_quick_step(permission: str) -> tuple[str, str, str]:
    """SQLite's short cut for the usual step: a view, its trigger, and the one statement that does all of it.

    A letter was taken over, the next one of one dispatch follows, permission holds: then the outcome and the next mark are one call
    of the driver and one transaction. Anything else raises inside the trigger, changes nothing, and takes the long way, which
    says why.
    """
    columns = "last, last_claim, at, code, reply, next, next_claim, next_dispatch"
    view = f"CREATE TEMP VIEW step AS SELECT {', '.join(f'NULL AS {name}' for name in columns.split(', '))}"
    old = {"message": "last", "claim": "last_claim", "sent_at": "at", "new": "'sent'", "old": "'sending'"}
    new = {"dispatch": "next_dispatch", "message": "next", "claim": "next_claim", "now": "at"}
    mark = _mark_sending(permission)
    body = "; ".join(
        (
            _in_trigger(RECORD_MESSAGE, old),
            "SELECT RAISE(ABORT, 'claim lost') WHERE changes() = 0",
            _in_trigger(mark, new),
            "SELECT RAISE(ABORT, 'not permitted') WHERE changes() = 0",
        )
    )
    trigger = f"CREATE TEMP TRIGGER take_step INSTEAD OF INSERT ON step BEGIN {body}; END"
    return view, trigger, f"INSERT INTO step VALUES ({', '.join('?' * len(columns.split(', ')))})"


def _in_trigger(sql: str, names: dict[str, str]) -> str:
    def value(parameter: re.Match[str]) -> str:
        name = names.get(parameter[1], parameter[1])
        return name if not name.isidentifier() else f"NEW.{name}"

    return PARAMETER.sub(value, sql)


def _mark_sending(permission: str) -> str:
    return f"UPDATE message SET state = 'sending' WHERE id = :message AND claim_id = :claim AND state = 'claimed' AND EXISTS ({permission})"


HALTED = "halted"
WINDOW_OVER = "window over"
"""Not reasons of a recipient: the letter is owed still."""


def conditions() -> list[tuple[Reason | str, ColumnElement[bool]]]:
    """What must hold for one dispatch at its hand-over, and the reason when it does not; the first one found is told.

    Over Dispatch, Campaign, Organisation and Address in the FROM (UNS-08, LAW-01, LAW-09).
    """
    halted = exists().where(col(Instance.halted_at).is_not(None))
    active = exists().where(col(Person.id) == col(Dispatch.recipient_id), col(Person.status) == PersonStatus.active)
    erased = exists().where(col(Person.id) == col(Dispatch.recipient_id), col(Person.status) == PersonStatus.erased)
    to_house = col(Dispatch.recipient_kind) == RecipientKind.organisation
    mailing_list: Any = col(Campaign.mailing_list)
    address: Any = col(Address.id)
    sender: Any = col(Dispatch.sender)
    open_until: Any = col(Dispatch.open_until)
    return [
        (HALTED, ~halted),
        (Reason.campaign_stopped, col(Campaign.status) != CampaignStatus.stopped),
        (Reason.campaign_paused, col(Campaign.status) == CampaignStatus.running),
        (WINDOW_OVER, or_(open_until.is_(None), open_until > literal_column(":now"))),
        (Reason.erased, col(Address.erased_at).is_(None) & (to_house | ~erased)),
        (Reason.suppressed, ~is_suppressed(Address, Organisation, mailing_list)),
        (Reason.organisation_inactive, col(Organisation.status) == OrganisationStatus.active),
        (Reason.person_inactive, or_(to_house, active)),
        (Reason.no_basis, has_basis(address, Organisation, mailing_list, sender)),
    ]


def _compile(dialect: Dialect, columns: list[Any], held: list[ColumnElement[bool]]) -> str:
    """The driver's SQL of a SELECT for one claimed dispatch, ``:dispatch``, under conditions that must hold."""
    query = (
        select(*columns)
        .select_from(Dispatch)
        .join(Campaign, col(Campaign.id) == col(Dispatch.campaign_id))
        .join(Organisation, col(Organisation.id) == col(Dispatch.organisation_id))
        .join(Address, col(Address.id) == col(Dispatch.address_id))
        .where(col(Dispatch.id) == literal_column(":dispatch"), literal_column("dispatch.status = 'claimed'"), *held)
    )
    return str(query.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
