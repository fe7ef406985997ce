"""The spine, to be read first: collect, pass the gate, send service mails; then enrol → plan → compose → send → settle packs.

What is due is computed from the tables, so a missed or doubled tick changes nothing; running a tick twice at the same
instant plans and sends nothing the second time.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from sqlalchemy import exists, select, update
from sqlmodel import Session

from om_campaigns import store
from om_campaigns.app import App
from om_campaigns.campaign.matching import is_open
from om_campaigns.campaign.models import Campaign, Dispatch
from om_campaigns.campaign.owed import newest_dispatch, watch_held
from om_campaigns.campaign.releases import (
    get_campaign,
)
from om_campaigns.campaign.vocabulary import CampaignStatus, DispatchStatus, Reason
from om_campaigns.columns import table_of
from om_campaigns.compose.contexts import Houses
from om_campaigns.delivery.handover import Ended, Sent
from om_campaigns.delivery.send_queue import Chosen, due_by, of_campaign
from om_campaigns.delivery.sender import send_due
from om_campaigns.errors import RefusedError
from om_campaigns.feedback.inbox import collect
from om_campaigns.gate import pass_gate
from om_campaigns.identity import note_claim
from om_campaigns.letters.composer import compose_open, make_composer
from om_campaigns.letters.plan_checksum import is_recognised, take_checksum
from om_campaigns.letters.relay import expire_overdue, has_moving_packs, offer_handed_over
from om_campaigns.planning import CampaignPlan, plan_all, plan_in, tell_owed
from om_campaigns.reader.leaving_waves import watch_leaving
from om_campaigns.service_letters import send_asked_notices
from om_campaigns.transport import Transport


@dataclass
class TickResult:
    """The whole tick in numbers; ``skipped`` counts reasons of planning and of the hand-over."""

    campaigns: list[CampaignPlan] = field(default_factory=list)
    sent: Sent = field(default_factory=Sent)
    checksum: str = ""
    is_expected: bool = True
    """The plan that somebody reviewed is this one, or this is what is left of it."""
    is_clock_behind: bool = False

    @property
    def enrolled(self) -> int:
        return sum(each.enrolled for each in self.campaigns)

    @property
    def planned(self) -> int:
        return sum(each.planned.planned for each in self.campaigns)

    @property
    def owed(self) -> int:
        """Letters that were planned before and leave with the next sending."""
        return sum(line.letters for each in self.campaigns for line in each.owed if line.is_due)

    @property
    def put_off(self) -> int:
        """Letters of the plan that wait until the mail server may be asked again."""
        return sum(line.letters for each in self.campaigns for line in each.owed if not line.is_due)

    @property
    def uncertain(self) -> int:
        return sum(number for each in self.campaigns for number in each.uncertain.values())

    @property
    def letters(self) -> int:
        """What would leave: owed, and newly due."""
        return self.owed + self.planned

    @property
    def refused(self) -> int:
        """Who matches or is in, and gets none now."""
        return sum((each.not_enrolled + each.planned.skipped).total() for each in self.campaigns)

    @property
    def deferred(self) -> int:
        return sum(each.planned.deferred for each in self.campaigns)

    @property
    def skipped(self) -> Counter[Reason]:
        total: Counter[Reason] = Counter(self.sent.skipped)
        for each in self.campaigns:
            total += each.planned.skipped
        return total

    def add(self, campaigns: Iterable[CampaignPlan], sent: Sent) -> bool:
        """Count one round; False when it changed nothing, or when sending came to an early end."""
        known = {each.campaign: each for each in self.campaigns}
        is_quiet = sent.handled + sent.dropped == 0
        for each in campaigns:
            is_quiet = is_quiet and each.is_quiet
            if each.campaign in known:
                known[each.campaign].add(each)
            else:
                self.campaigns.append(each)
        self.sent.add(sent)
        return not is_quiet and sent.ended is Ended.done


def tick(
    app: App,
    now: datetime,
    *,
    campaign: str | None = None,
    transport: Transport | None = None,
    stop: threading.Event | None = None,
    progress: Callable[[int], None] | None = None,
    reviewed: str = "",
) -> TickResult:
    """Do everything that is due at ``now``, for one campaign or all, round by round until nothing more follows from it.

    ``reviewed`` is the checksum of a plan: then that plan leaves and nothing else, in one round, and RefusedError is raised before the
    first letter of it if it has become another one.

    Raises RefusedError when sending is halted, and in live mode when no page answers or the clock has gone backwards; in
    rehearsal an earlier ``now`` changes nothing and is said.
    """
    result = TickResult()
    collect(app, now)
    watch_leaving(app, now)
    moment = pass_gate(app, now, hands_over=lambda: look(app, now).letters > 0)
    if moment is None:
        result.is_clock_behind = True
        return result
    now = moment
    with store.write(app.engine) as session:
        release_held(session)
    send_asked_notices(app, transport)
    going = True
    while going:
        plans = plan_all(app, now, now, campaign=campaign)
        with store.read(app.engine) as session:
            chosen = [of_campaign(get_campaign(session, campaign).id)] if campaign else []
            if reviewed:
                require_reviewed(session, app, now, reviewed, campaign=campaign)
                chosen.append(due_by(now))
        sent = hand_over(app, now, chosen, transport=transport, stop=stop, progress=progress)
        going = result.add(plans, sent) and not reviewed
    watch_held(app, now)
    return result


def release_held(session: Session, *, forgets_why: bool = True) -> None:
    """Letters held for a missing value or a broken text are tried again, once a tick: the gap may have been filled."""
    dispatch, campaign = table_of(Dispatch), table_of(Campaign)
    running = select(campaign.c.id).where(campaign.c.status == CampaignStatus.running)
    is_held = (is_open(dispatch), dispatch.c.status == DispatchStatus.held, (dispatch.c.campaign_id + 0).in_(running))
    if not session.execute(select(exists().where(*is_held))).scalar():
        return  # on SQLite even an UPDATE that finds nothing keeps others out
    forgotten = {"reason": Reason.none, "detail": ""} if forgets_why else {}
    session.execute(update(dispatch).where(*is_held).values(status=DispatchStatus.planned, **forgotten))


def require_reviewed(session: Session, app: App, now: datetime, reviewed: str, *, campaign: str | None = None) -> None:
    """Raises RefusedError where what is owed now, all of it planned, is not the plan with this checksum, nor what is left of it."""
    present = take_checksum(session, app, now, campaign=campaign)
    if not is_recognised(session, app, present, reviewed, now, campaign=campaign):
        raise RefusedError(
            f"the plan has changed: its checksum is {present.text}, not {reviewed}; nothing of it was sent",
            hint="look at 'om-campaigns plan' again",
        )


def hand_over(
    app: App,
    now: datetime,
    chosen: Sequence[Chosen],
    *,
    transport: Transport | None = None,
    stop: threading.Event | None = None,
    progress: Callable[[int], None] | None = None,
) -> Sent:
    """Compose and send what is owed and due, or what is ``chosen`` of it."""
    compose_open(app, now)
    with store.read(app.engine) as session:
        composer = make_composer(app, session, counts=True)
    sent = send_due(
        app.engine,
        clock=app.clock,
        compose=composer,
        transport=transport or app.transport(),
        smtp=app.settings.smtp,
        lock_folder=app.locks,
        chosen=chosen,
        stop=stop,
        progress=progress,
        note_claim=partial(note_claim, app),
    )
    settle_packs(app, now)
    return sent


def settle_packs(app: App, now: datetime) -> None:
    """Offer the packs whose mails have left, and end those whose last day has passed."""
    with store.read(app.engine) as session:
        if not has_moving_packs(session, app.today(now)):
            return
    with store.write(app.engine) as session:
        houses = Houses(session, app.today(now))
        offer_handed_over(session, lambda house, at: houses.last_day(house, houses.today(house, at, app.settings.zone)))
        expire_overdue(session, app.today(now), now)


def look(
    app: App,
    now: datetime,
    *,
    until: datetime | None = None,
    campaign: str | None = None,
    expect: str = "",
    since: datetime | None = None,
) -> TickResult:
    """The plan of ``now`` up to ``until``, by the very code that would apply it; nothing is changed.

    ``expect`` is the checksum of a plan that was reviewed, at ``since`` where that is known: letters of it that left meanwhile are no
    difference.
    """

    def work(session: Session) -> TickResult:
        return look_in(session, app, now, until or now, campaign=campaign, expect=expect, since=since)

    return store.write_late(app.engine, work, keeps=False)


def look_in(
    session: Session,
    app: App,
    now: datetime,
    until: datetime,
    *,
    campaign: str | None = None,
    expect: str = "",
    since: datetime | None = None,
) -> TickResult:
    """As ``look``, in a transaction that the caller undoes."""
    result, newest = TickResult(), newest_dispatch(session)
    release_held(session, forgets_why=False)
    result.campaigns = plan_in(session, app, now, until, campaign=campaign)
    tell_owed(session, result.campaigns, until, newest)
    present = take_checksum(session, app, until, campaign=campaign, since=since)
    result.checksum = present.text
    result.is_expected = not expect or is_recognised(session, app, present, expect, until, campaign=campaign, since=since)
    return result
