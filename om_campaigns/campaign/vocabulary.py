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


REASONS: dict[Reason, str] = {
    Reason.no_address: "has no e-mail address",
    Reason.no_basis: "there is no basis on which this address may be written to (LAW-01)",
    Reason.suppressed: "the address is suppressed: it opted out, objected or bounced",
    Reason.hard_bounce: "the mail server said that the address does not exist",
    Reason.no_data_role: "the house has no data role yet, so nothing goes in its name (LAW-18)",
    Reason.no_route: "the house does not take the route this campaign offers",
    Reason.nobody_to_serve: "the house passes on to nobody (any more): others serve its advisers, or they had it already",
    Reason.nobody_receives: "nobody receives packs there: no distributor, contact, deputy or list address, nor anybody above",
    Reason.through_house: "the home organisation passes it on; directly only on the person's own subscription",
    Reason.colleague_relays: "a colleague in the same house has the pack",
    Reason.organisation_inactive: "the house is paused, left or merged",
    Reason.person_inactive: "the person is paused, left or erased",
    Reason.seat_ended: "the seat in this house has ended, or does not begin before a later day",
    Reason.duplicate_address: "somebody else already gets it at the same address",
    Reason.stronger_role: "another seat of the same person has the stronger role and gets it",
    Reason.exit_condition: "the campaign is over for whom its exit_when holds",
    Reason.step_condition: "the condition of the step (when) does not hold",
    Reason.not_my_topic: "the reader chose other topics",
    Reason.not_while_in: "waits until another campaign is over (not_while_in)",
    Reason.starts_after: "waits for another campaign to be finished first (starts_after)",
    Reason.toolkit_withdrawn: "the step mentions a toolkit that was withdrawn",
    Reason.step_skipped: "the step was taken out for everybody who had not had it",
    Reason.no_variant: "no variant of the text fits, and there is no plain one",
    Reason.grace_over: "came too late: the step's grace was over",
    Reason.missing_value: "a value the text prints is missing",
    Reason.broken_text: "the text cannot be composed",
    Reason.campaign_paused: "the campaign is paused",
    Reason.campaign_stopped: "the campaign was stopped",
    Reason.cap: "had enough mail lately (cap)",
    Reason.refused: "the mail server refused",
    Reason.gave_up: "the mail server put us off for too long",
    Reason.needs_smtputf8: "the mail server cannot take addresses with such letters",
    Reason.erased: "the person was erased",
    Reason.settled: "settled by hand",
    Reason.already_there: "matched before the campaign was first published, and it has no backfill",
    Reason.entry_held: "held: more would enter in a day than this campaign takes unasked; 'campaign admit' lets them in",
    Reason.then_waits: "finished, and waits to enter the campaign that follows (then)",
}
"""Every reason in words, for ``why``."""
