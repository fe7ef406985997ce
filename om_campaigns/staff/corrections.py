"""Making good: settle letters nobody knows the fate of, close the gaps of a campaign, correct what was wrong."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, exists
from sqlmodel import Session, col

from om_campaigns import events, store
from om_campaigns.app import App, require_real_clock
from om_campaigns.audience.changes import record_change
from om_campaigns.audience.vocabulary import Origin, RecipientKind
from om_campaigns.campaign.calendar import Calendar
from om_campaigns.campaign.caps import find_late_letters, reschedule
from om_campaigns.campaign.corrections import Corrected, correct, count_uncorrected, find_affected
from om_campaigns.campaign.house_values import fill_houses, load_houses
from om_campaigns.campaign.models import Campaign, Dispatch
from om_campaigns.campaign.plan import Planned
from om_campaigns.campaign.releases import get_campaign, load_definitions
from om_campaigns.campaign.slices import fill_slice, slices
from om_campaigns.campaign.timing import Caps
from om_campaigns.campaign.vocabulary import CampaignStatus, DispatchStatus
from om_campaigns.columns import new_ref, table_of
from om_campaigns.delivery.circuit_breakers import release_campaign
from om_campaigns.delivery.handover import Sent
from om_campaigns.delivery.models import Message, MessageDispatch, MessageState
from om_campaigns.delivery.outcomes import find_failed, find_uncertain, reopen_failed, settle
from om_campaigns.delivery.send_queue import of_campaign, of_correction, tried_before
from om_campaigns.errors import InputError, RefusedError
from om_campaigns.gate import pass_gate
from om_campaigns.letters.owed_editions import keys_where, open_library
from om_campaigns.planning import CampaignPlan
from om_campaigns.tick import TickResult, hand_over

OVERLAP = timedelta(minutes=1)
"""How long a letter that is composed may take to leave."""


@dataclass(frozen=True)
class Chosen:
    """Which uncertain letters are meant: by Message-ID, or everything of a campaign, person or house; nothing named means all."""

    message_ids: Sequence[str] = ()
    campaign: str = ""
    person_id: int | None = None
    organisation_id: int | None = None


def load_uncertain(session: Session, chosen: Chosen) -> list[Message]:
    """The uncertain letters that are meant. Raises InputError for a Message-ID or campaign that is none of them."""
    conditions: list[Any] = []
    if chosen.campaign:
        conditions.append(col(Dispatch.campaign_id) == get_campaign(session, chosen.campaign).id)
    if chosen.person_id is not None:
        conditions += [col(Dispatch.recipient_kind) == RecipientKind.person, col(Dispatch.recipient_id) == chosen.person_id]
    if chosen.organisation_id is not None:
        conditions.append(col(Dispatch.organisation_id) == chosen.organisation_id)
    wanted = {f"<{each.strip().strip('<>')}>" for each in chosen.message_ids}
    if wanted:
        conditions.append(col(Message.message_id).in_(wanted))
    found = find_uncertain(session, conditions)
    if unknown := sorted(wanted - {each.message_id for each in found}):
        raise InputError(f"no uncertain letter is {', '.join(unknown)}", hint="'om-campaigns ledger --status uncertain' lists them")
    return found


def settle_letters(app: App, chosen: Chosen, now: datetime, actor: str, *, arrived: bool) -> int:
    """Settle uncertain letters as arrived, or as not arrived and owed again; returns how many. Kept in the change log."""
    require_real_clock(app)
    with store.write(app.engine) as session:
        messages = load_uncertain(session, chosen)
        batch = new_ref()
        for message in messages:
            for number, status in settle(session, message, now, arrived=arrived).items():
                old = DispatchStatus.uncertain.value
                record_change(session, "dispatch", number, "status", old, status.value, now, actor, Origin.staff, batch)
            events.message_settled(message.id, arrived=arrived)
    return len(messages)


@dataclass
class Amended:
    """What making good did: ``owed`` letters are owed once more by it; ``corrected`` says whom a correction is for."""

    owed: int = 0
    corrected: Corrected | None = None
    sent: Sent = field(default_factory=Sent)

    def as_tick(self) -> TickResult:
        """In the numbers of a tick."""
        plan = CampaignPlan("", 0, Planned(planned=self.owed), Counter())
        return TickResult(campaigns=[plan], sent=self.sent)


def look_at_gaps(app: App, name: str) -> int:
    """How many letters ``send_gaps`` would owe once more; changes nothing."""
    with store.read(app.engine) as session:
        return len(find_failed(session, _running(session, name).id))


def send_gaps(
    app: App, name: str, now: datetime, *, stop: threading.Event | None = None, progress: Callable[[int], None] | None = None
) -> Amended:
    """Send what failed in a campaign, and what was put off and is due; nothing else of it. Windows and caps hold."""
    if not pass_gate(app, now, hands_over=lambda: True):
        raise RefusedError("this moment lies before the latest one played", hint="leave --now away, or name a later moment")
    owed, calendar = 0, Calendar()
    caps = Caps(app.settings.caps.per_week, app.settings.caps.per_month)
    with store.turns(app.engine) as turns:
        with turns.reading() as session:
            campaign = _running(session, name)
            failed = find_failed(session, campaign.id)
            definitions = load_definitions(session, campaign)
        for part in slices(failed):
            with turns.writing() as session:
                owed += reopen_failed(session, part, now)
                release_campaign(session, campaign.id)
        with turns.reading() as session:
            late = find_late_letters(session, campaign.id, now)
            fill_houses(session, load_houses(session, zone=app.settings.zone, language=app.settings.language).values())
        for part in slices(late):
            with turns.writing() as session:
                fill_slice(session, part)
                reschedule(session, calendar, definitions, caps, now)
    return Amended(owed, None, hand_over(app, now, [of_campaign(campaign.id), tried_before()], stop=stop, progress=progress))


def look_at_correction(app: App, name: str, step: str) -> Corrected:
    """Whom ``send_correction`` would reach; changes nothing."""
    with store.read(app.engine) as session:
        campaign = _running(session, name)
        affected = find_affected(session, campaign, step, _find_other_words(app, session, campaign, step))
        return Corrected(affected.suffix, count_uncorrected(session, affected), len(affected.numbers), affected.uncertain)


def send_correction(
    app: App, name: str, step: str, now: datetime, *, stop: threading.Event | None = None, progress: Callable[[int], None] | None = None
) -> Amended:
    """Send the present wording of a step to exactly those who got an earlier one, at once. Raises as ``find_affected`` does."""
    if not pass_gate(app, now, hands_over=lambda: True):
        raise RefusedError("this moment lies before the latest one played", hint="leave --now away, or name a later moment")
    owed = 0
    with store.turns(app.engine) as turns:
        with turns.reading() as session:
            campaign = _running(session, name)
            affected = find_affected(session, campaign, step, _find_other_words(app, session, campaign, step))
        for part in slices(affected.numbers):
            with turns.writing() as session:
                if now_owed := correct(session, campaign, step, affected.suffix, part, now):
                    release_campaign(session, campaign.id)  # somebody makes it good: earlier failures no longer count, new ones do
                owed += now_owed
    corrected = Corrected(affected.suffix, owed, len(affected.numbers), affected.uncertain)
    chosen = [of_campaign(campaign.id), of_correction(step, affected.suffix)]
    return Amended(owed, corrected, hand_over(app, now, chosen, stop=stop, progress=progress))


def _find_other_words(app: App, session: Session, campaign: Campaign, step: str) -> Callable[[datetime], ColumnElement[bool]]:
    """Letters that left at the instant a wording was published, or soon after, may be older than it: their editions tell."""
    dispatch, message, part = table_of(Dispatch), table_of(Message), table_of(MessageDispatch)

    def says_otherwise(since: datetime) -> ColumnElement[bool]:
        soon = (
            dispatch.c.campaign_id == campaign.id,
            dispatch.c.step == step,
            dispatch.c.status == DispatchStatus.sent,
            dispatch.c.sent_at.between(since, since + OVERLAP),
        )
        library = open_library(app, session)
        present = {library.edition_id(key) for key in keys_where(session, library, dispatch.c.campaign_id, *soon)}
        mails = exists().where(part.c.dispatch_id == dispatch.c.id, message.c.id == part.c.message_id)
        return and_(*soon, mails.where(message.c.state == MessageState.sent, message.c.edition_id.not_in(present)))

    return says_otherwise


def _running(session: Session, name: str) -> Campaign:
    campaign = get_campaign(session, name)
    if campaign.status is not CampaignStatus.running:
        raise RefusedError(f"campaign '{name}' is {campaign.status.value}", hint=f"'om-campaigns campaign resume {name}' lets it go on")
    return campaign
