"""One letter's way through the sender: prepared, claimed, what became of it; and the account of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from sqlmodel import Session

from om_campaigns.campaign.vocabulary import Reason
from om_campaigns.delivery.models import MessageState, Part
from om_campaigns.delivery.pacing import Places, destination_of_address
from om_campaigns.delivery.send_queue import Due
from om_campaigns.transport import Envelope, Outcome


@dataclass(frozen=True, slots=True)
class Prepared:
    """A letter ready to be written. ``write(date)`` gives the exact bytes for that Date, CRLF, never empty, no last dot, no line
    that begins with a dot.

    ``zone`` is the recipient's IANA zone (the touch counts local days); ``ideas`` and ``items`` go into the touch.
    """

    dispatch_ids: tuple[int, ...]
    part: Part
    campaign_id: int
    address_id: int
    ref: str
    message_id: str
    envelope_from: str
    envelope_to: str
    edition_id: str
    slot_values: dict[str, str]
    needs_smtputf8: bool
    zone: str
    ideas: str
    items: str
    write: Callable[[datetime], bytes]

    @property
    def columns(self) -> dict[str, Any]:
        """What stands in its row of ``message``, by column."""
        return {name: getattr(self, name) for name in _COLUMNS}


_COLUMNS = ("ref", "message_id", "campaign_id", "address_id", "envelope_from", "envelope_to", "edition_id", "zone", "ideas", "items")


@dataclass(frozen=True, slots=True)
class Held:
    """A due row that cannot become a letter now, and which value is missing."""

    dispatch_id: int
    reason: Reason
    detail: str


Compose = Callable[[Session, Sequence[Due], datetime], Sequence[Prepared | Held]]
"""Makes letters of due rows; called with a read session outside of every claim. Every row must be answered."""


class Attempt(NamedTuple):
    """A message in the hands of a worker, as it is written down: the dispatches that hang on it and what their touches will say.

    ``attempts`` were made before this one. A service mail has no dispatches.
    """

    message_id: int
    claim_id: str
    attempts: int
    dispatch_ids: tuple[int, ...]
    part: Part
    zone: str
    ideas: str
    items: str


@dataclass(slots=True)
class ClaimedLetter:
    """A claimed letter. ``content`` is written anew when the second of its Date has passed (MSG-03)."""

    id: int
    claim_id: str
    prepared: Prepared
    attempts: int
    first_claimed_at: datetime
    content: bytes = b""
    written_at: datetime | None = None
    offered_again: bool = False
    places: Places | None = None
    """Shared by the mails of one pack."""
    reserved: bool = False
    """It has a place under the limits of its destination and campaign that no other letter of this run may count on."""

    @property
    def attempt(self) -> Attempt:
        """As it is written down."""
        said = self.prepared
        return Attempt(self.id, self.claim_id, self.attempts, said.dispatch_ids, said.part, said.zone, said.ideas, said.items)

    @property
    def destination(self) -> str:
        """Where it goes, for limits and circuit breakers."""
        return destination_of_address(self.prepared.envelope_to)

    def write(self, now: datetime) -> bytes:
        """The bytes with ``now`` as their Date."""
        if self.written_at is None or abs((now - self.written_at).total_seconds()) >= 1:
            self.content, self.written_at = self.prepared.write(now), now
        return self.content

    def make_envelope(self, now: datetime) -> Envelope:
        content = self.write(now)
        prepared = self.prepared
        return Envelope(
            prepared.ref, prepared.envelope_from, prepared.envelope_to, len(content), content.isascii(), prepared.needs_smtputf8
        )


@dataclass(slots=True)
class Done:
    """What became of a letter, not yet recorded. ``old`` is claimed where the server refused before any content."""

    letter: ClaimedLetter
    outcome: Outcome
    at: datetime
    old: MessageState


@dataclass(frozen=True, slots=True)
class Refusal:
    """Permission was gone at the hand-over. ``kept`` means the dispatch is owed still; ``halted`` stops the run."""

    reason: Reason
    kept: bool
    halted: bool = False
    lost: bool = False


class Ended(StrEnum):
    """Why a run came to its end."""

    done = "done"
    stopped = "stopped"
    halted = "halted"
    paced = "paced"
    policy = "policy"
    unreachable = "unreachable"
    tls_failed = "tls_failed"
    auth_failed = "auth_failed"
    turned_away = "turned_away"

    @property
    def is_fault_of_server(self) -> bool:
        """The mail server could not be used, or refuses us."""
        return self in (Ended.policy, Ended.unreachable, Ended.tls_failed, Ended.auth_failed, Ended.turned_away)


@dataclass
class Sent:
    """The account of one run. ``dropped`` were cancelled at the hand-over; ``skipped`` counts the reasons of everything
    that was held, cancelled or given back. ``ended`` and ``detail`` say why the run stopped where it did.
    """

    sent: int = 0
    retry: int = 0
    failed: int = 0
    uncertain: int = 0
    held: int = 0
    dropped: int = 0
    skipped: Counter[Reason] = field(default_factory=Counter)
    ended: Ended = Ended.done
    detail: str = ""

    @property
    def handled(self) -> int:
        """Letters that got an outcome."""
        return self.sent + self.retry + self.failed + self.uncertain

    def add(self, later: Sent) -> None:
        """Add the account of a later run; why that one ended is what counts."""
        for name in ("sent", "retry", "failed", "uncertain", "held", "dropped", "skipped"):
            setattr(self, name, getattr(self, name) + getattr(later, name))
        self.ended, self.detail = later.ended, later.detail
