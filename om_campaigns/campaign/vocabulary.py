"""The closed lists of campaigns: kinds, states, and why somebody does not get a step.

Stored by value; a word of ``Reason`` is what plan, ledger and ``why`` print.
"""

from __future__ import annotations

from enum import StrEnum


class CampaignKind(StrEnum):
    """A drip follows each recipient's own entry; an announcement speaks once."""

    drip = "drip"
    announcement = "announcement"


class CampaignStatus(StrEnum):
    """``running`` from the first publication; ``stopped`` is final."""

    running = "running"
    paused = "paused"
    stopped = "stopped"


class EnrolmentState(StrEnum):
    active = "active"
    finished = "finished"
    exited = "exited"
    stopped = "stopped"


class DispatchStatus(StrEnum):
    """What became of what we owe; the allowed moves stand in ``delivery/states.py``."""

    planned = "planned"
    held = "held"
    claimed = "claimed"
    retry = "retry"
    sent = "sent"
    failed = "failed"
    uncertain = "uncertain"
    skipped = "skipped"
    cancelled = "cancelled"


class RelayState(StrEnum):
    """How far a pack has come in the house that received it; the allowed moves stand in ``campaign/packs.py``."""

    planned = "planned"
    offered = "offered"
    accepted = "accepted"
    postponed = "postponed"
    skipped = "skipped"
    forwarded = "forwarded"
    reported = "reported"
    replaced = "replaced"
    expired = "expired"


class Reason(StrEnum):
    """Why somebody does not get a step (now). One closed list for plan, ledger and ``why``."""

    none = ""
    no_address = "no_address"
    no_basis = "no_basis"
    suppressed = "suppressed"
    hard_bounce = "hard_bounce"
    no_data_role = "no_data_role"
    no_route = "no_route"
    nobody_to_serve = "nobody_to_serve"
    nobody_receives = "nobody_receives"
    through_house = "through_house"
    colleague_relays = "colleague_relays"
    organisation_inactive = "organisation_inactive"
    person_inactive = "person_inactive"
    seat_ended = "seat_ended"
    duplicate_address = "duplicate_address"
    stronger_role = "stronger_role"
    exit_condition = "exit_condition"
    step_condition = "step_condition"
    not_my_topic = "not_my_topic"
    not_while_in = "not_while_in"
    starts_after = "starts_after"
    toolkit_withdrawn = "toolkit_withdrawn"
    step_skipped = "step_skipped"
    no_variant = "no_variant"
    grace_over = "grace_over"
    missing_value = "missing_value"
    broken_text = "broken_text"
    campaign_paused = "campaign_paused"
    campaign_stopped = "campaign_stopped"
    cap = "cap"
    refused = "refused"
    gave_up = "gave_up"
    needs_smtputf8 = "needs_smtputf8"
    erased = "erased"
    settled = "settled"
    already_there = "already_there"
    entry_held = "entry_held"
    then_waits = "then_waits"


class PermissionKind(StrEnum):
    """What somebody confirmed."""

    plan = "plan"
    restore = "restore"
    audience_import = "import"
    publication = "publication"
    go_live = "go_live"
    admit = "admit"
    approval = "approval"
