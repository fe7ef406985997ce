"""The spine, to be read first: collect, pass the gate, send service mails; then enrol → plan → compose → send → settle packs.

What is due is computed from the tables, so a missed or doubled tick changes nothing; running a tick twice at the same
instant plans and sends nothing the second time. Entering and planning are done in slices, each of them one transaction, so that nobody who
writes waits for long.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial

from sqlalchemy import exists, select, update
from sqlmodel import Session

from om_campaigns import events, store
from om_campaigns.app import App
from om_campaigns.campaign.calendar import Calendar
from om_campaigns.campaign.caps import find_late, find_late_letters, reschedule
from om_campaigns.campaign.definition import CampaignDefinition
from om_campaigns.campaign.enrolment import Entered, Entry, find_followed, foresee, sources_of
from om_campaigns.campaign.entry_brake import EntryRule, Judgement
from om_campaigns.campaign.houses import fill_houses, load_houses
from om_campaigns.campaign.letting_in import close_entry, enrol, find_who_left, is_known_held, load_entrants, note_who_left, open_entry
from om_campaigns.campaign.matching import is_open, is_waiting
from om_campaigns.campaign.models import Campaign, Dispatch, Pack
from om_campaigns.campaign.owed import Owed as Owed  # commands print it
from om_campaigns.campaign.owed import count_uncertain, load_owed, newest_dispatch
from om_campaigns.campaign.plan import Planned, find_due, plan
from om_campaigns.campaign.progress import advance, find_settled
from om_campaigns.campaign.releases import (
    get_campaign,
    is_same,
    load_definitions,
    load_priorities,
    load_skipped_steps,
    load_wordings,
    running_campaigns,
)
from om_campaigns.campaign.rows import Ready, find_begun_steps, load_due
from om_campaigns.campaign.slices import fill_slice, slices
from om_campaigns.campaign.timing import Caps
from om_campaigns.campaign.unseen import Sight, is_anything_noted, look_up, record_look, take_down
from om_campaigns.campaign.vocabulary import CampaignStatus, DispatchStatus, Reason
from om_campaigns.columns import table_of
from om_campaigns.compose.contexts import Houses
from om_campaigns.compose.library import LetterKey, Library
from om_campaigns.delivery.due import Chosen, due_by, of_campaign
from om_campaigns.delivery.sender import Ended, Sent, send_due
from om_campaigns.delivery.transport import Transport
from om_campaigns.errors import InputError, ProblemsError, RefusedError
from om_campaigns.feedback.entry_holds import settle_hold
from om_campaigns.feedback.relay import expire_overdue, has_moving_packs, offer_handed_over
from om_campaigns.pipeline.checksums import is_recognised, take_checksum
from om_campaigns.pipeline.gate import pass_gate
from om_campaigns.pipeline.identity import note_claim
from om_campaigns.pipeline.letters.composer import Composer
from om_campaigns.pipeline.letters.keys import key_of_row, open_keys
from om_campaigns.pipeline.letters.libraries import open_library
from om_campaigns.pipeline.letters.packing import pack_key, record_revisions
from om_campaigns.pipeline.notices import send_asked_notices
from om_campaigns.pipeline.recipient.inbox import collect
from om_campaigns.pipeline.staff.bursts import watch_leaving
from om_campaigns.pipeline.staff.held import watch_held
from om_campaigns.pipeline.texts import languages_by_step, pack_steps, plain_steps, toolkits_by_step, topics_by_step
from om_campaigns.report.queries.campaigns import load_campaign_ids
from om_campaigns.settings import EntrySettings
from om_campaigns.store import Turns


@dataclass
class CampaignPlan:
    """What one campaign would do, or did."""

    campaign: str
    enrolled: int
    planned: Planned
    not_enrolled: Counter[Reason]
    moved: int = 0
    """Enrolments that learned their next step, came to their end, or were left behind by their subject after it."""
    entered: frozenset[str] = frozenset()
    """Campaigns that some of these may have been led into, so they are to be planned after this one."""
    owed: list[Owed] = field(default_factory=list)
    """What was planned before and has not left; told by ``look`` only, like ``uncertain`` (letters by step)."""
    uncertain: dict[str, int] = field(default_factory=dict)
    held: Judgement | None = None
    """What the brake says where it lets nobody in."""
    is_news: bool = False
    """The brake began or ceased to hold with this plan."""

    @property
    def is_quiet(self) -> bool:
        """Nothing changed that could make something else due at the same instant."""
        return not (self.enrolled or self.moved or self.planned.planned or self.planned.exited or self.planned.skipped)

    def add(self, later: CampaignPlan) -> None:
        """Add what the same campaign did when it was asked again at the same instant."""
        self.enrolled += later.enrolled
        self.moved += later.moved
        self.entered |= later.entered
        self.not_enrolled = later.not_enrolled
        self.held, self.is_news = later.held, self.is_news or later.is_news
        self.planned.add(later.planned)


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
            chosen = [of_campaign(get_campaign(session, campaign).id or 0)] if campaign else []
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
    _tell_owed(session, result.campaigns, until, newest)
    present = take_checksum(session, app, until, campaign=campaign, since=since)
    result.checksum = present.text
    result.is_expected = not expect or is_recognised(session, app, present, expect, until, campaign=campaign, since=since)
    return result


def plan_in(session: Session, app: App, now: datetime, until: datetime, *, campaign: str | None = None) -> list[CampaignPlan]:
    """Enrol and plan campaign by campaign in the caller's transaction, the highest priority first."""
    found, turns = {each.name: each for each in _campaigns(session, app, campaign)}, store.OneTurn(session)
    return _plan_each(list(found), lambda name: plan_campaign(turns, app, found[name], now, until))


def _tell_owed(session: Session, plans: Sequence[CampaignPlan], until: datetime, newest: int) -> None:
    by_name = {each.campaign: each for each in plans}
    for line in load_owed(session, until, newest):
        if line.campaign in by_name:
            by_name[line.campaign].owed.append(line)
    for (name, step), number in count_uncertain(session).items():
        if name in by_name:
            by_name[name].uncertain[step] = number


def plan_all(app: App, now: datetime, until: datetime, *, campaign: str | None = None) -> list[CampaignPlan]:
    """Enrol and plan campaign by campaign, the highest priority first.

    A campaign in which nobody is due is left alone unless something was written that could let somebody enter it.
    """
    with store.read(app.engine) as session:
        is_noted = is_anything_noted(session)
    if is_noted:
        with store.write(app.engine) as session:
            take_down(session)
    with store.read(app.engine) as session:
        running = _campaigns(session, app, campaign)
        names, busy = [each.name for each in running], find_due(session, until) | find_late(session, now)
        sights = _look_up(session, app, [each for each in running if each.id not in busy], now, are_taken_down=True)
    idle = {name: sight.refused for name, sight in sights.items() if not sight.is_due}

    def plan_one(name: str) -> CampaignPlan:
        if name in idle:
            return CampaignPlan(name, 0, Planned(), idle[name])
        with store.turns(app.engine) as turns:
            with turns.reading() as session:
                found = get_campaign(session, name)
            done = plan_campaign(turns, app, found, now, until)
        for each in done.entered:
            idle.pop(each, None)
        return done

    plans = _plan_each(names, plan_one)
    for each in plans:
        if each.is_news:
            _tell_held(each)
    return plans


def _plan_each(names: Sequence[str], plan_one: Callable[[str], CampaignPlan | None]) -> list[CampaignPlan]:
    """Plan these campaigns in this order, and once more those that others, planned later, have led somebody into."""
    plans: dict[str, CampaignPlan] = {}
    waiting = list(names)
    while waiting:
        entered: set[str] = set()
        for name in waiting:
            found = plan_one(name)
            entered.discard(name)
            if found is None:
                continue
            entered |= found.entered
            if name in plans:
                plans[name].add(found)
            else:
                plans[name] = found
        waiting = [name for name in names if name in entered]
    return list(plans.values())


def _tell_held(plan: CampaignPlan) -> None:
    if plan.held is None:
        events.entry_released(plan.campaign)
    else:
        number, most = plan.held.entering, plan.held.bound
        events.entry_held(plan.campaign, people=number.people, houses=number.houses, most_people=most.people, most_houses=most.houses)


def _look_up(session: Session, app: App, campaigns: Sequence[Campaign], now: datetime, *, are_taken_down: bool = False) -> dict[str, Sight]:
    """What is known of the latest look at each of these campaigns; one in which somebody waits is to be looked at in any case."""
    sights = look_up(session, campaigns, app.today(now), app.settings.zone, app.settings.language, are_taken_down=are_taken_down)
    followed = find_followed(session)
    waiting = {each.name for each in campaigns if each.held_at is not None or each.name in followed}  # for the day to pass, or by then
    return {name: replace(sight, is_due=True) if name in waiting else sight for name, sight in sights.items()}


def _campaigns(session: Session, app: App, name: str | None) -> list[Campaign]:
    """Running campaigns, the highest priority first, then by name; raises InputError for an unknown name."""
    found = running_campaigns(session)
    if name is not None:
        wanted = get_campaign(session, name)
        found = [each for each in found if each.id == wanted.id]
    priorities = load_priorities(session, found)
    return sorted(found, key=lambda each: (-priorities[each.id or 0], each.name))


def plan_campaign(turns: Turns, app: App, campaign: Campaign, now: datetime, until: datetime, *, asks_all: bool = False) -> CampaignPlan:
    """One campaign: who moves on, who enters, and what is owed by ``until``, in slices that are whole each by itself.

    Who may enter is asked where anything was written since that could change the answer, or with ``asks_all``.
    """
    result = CampaignPlan(campaign.name, 0, Planned(), Counter())
    calendar, caps = Calendar(), Caps(app.settings.caps.per_week, app.settings.caps.per_month)
    with turns.reading() as session:
        definitions = load_definitions(session, campaign)
        latest = definitions[campaign.latest_version_id or 0]
        entry = make_entry(session, app, campaign, campaign.latest_version_id or 0, latest)
        successors = load_successors(session, definitions.values())
        settled = find_settled(session, campaign, now)
        late = find_late_letters(session, campaign.id or 0, now)
    for part in slices(settled):
        with turns.writing() as session:
            if not is_same(session, campaign):
                return result
            fill_slice(session, part)
            result.moved += advance(session, campaign, definitions, calendar, now, successors)
            result.entered = successors
    for part in slices(late):
        with turns.writing() as session:
            if not is_same(session, campaign):
                return result
            fill_slice(session, part)
            reschedule(session, calendar, definitions, caps, now)
    if not _let_in(turns, app, entry, calendar, now, result, asks_all=asks_all):
        return result
    with turns.reading() as session:
        due = load_due(session, campaign, until)
        ready = make_ready(session, app, entry, definitions) if due else None
    if ready is None:
        return result
    for part in [due] if ready.carries_packs else slices(due):
        with turns.writing() as session:
            if not is_same(session, campaign):
                return result
            fill_slice(session, part)
            result.planned.add(plan(session, ready, calendar, caps, now, app.today(now), until))
    return result


def _let_in(turns: Turns, app: App, entry: Entry, calendar: Calendar, now: datetime, result: CampaignPlan, *, asks_all: bool) -> bool:
    """Enrol whoever may enter; where nothing was written that could let anybody in, nobody is asked.

    False where the campaign was stopped, or has become another one, meanwhile.
    """
    campaign, today = entry.campaign, app.today(now)
    with turns.reading() as session:
        session.add(campaign)
        session.refresh(campaign)
        sight = _look_up(session, app, [campaign], now)[campaign.name]
        result.not_enrolled = sight.refused
        if not (sight.is_due or asks_all):
            return True
        left = find_who_left(session, entry, today)
    for part in slices(left):
        with turns.writing() as session:
            if not is_same(session, campaign):
                return False
            fill_slice(session, part)
            result.moved += note_who_left(session, now)
    with turns.reading() as session:
        found = foresee(session, entry, calendar, now, today)
        entrants = load_entrants(session) if found.entered else []
        is_known = is_known_held(session, entry, found)
    if is_known:
        result.held, result.not_enrolled = found.judgement, found.refused + Counter({Reason.entry_held: found.entered})
        return True  # held before, by as many: nothing is to be written
    with turns.writing() as session:
        if not is_same(session, campaign):
            return False
        found = _ask_brake(session, entry, found, now, result)
    if result.held is not None:
        return True  # to be asked again: whoever is held may enter as soon as somebody admits them
    for part in slices(entrants) if entrants else [entrants]:
        with turns.writing() as session:
            if not is_same(session, campaign):
                return False
            session.add(campaign)
            result.enrolled += enrol(session, entry, part, now)
            if part[-1:] == entrants[-1:]:
                close_entry(session, entry, found.judgement)
                if turns.keeps:
                    record_look(session, campaign, sight, sources_of(entry, today), found.outside)
    return True


def _ask_brake(session: Session, entry: Entry, found: Entered, now: datetime, result: CampaignPlan) -> Entered:
    """What the brake says to those who were found, before the first of them enters."""
    campaign = entry.campaign
    session.add(campaign)
    session.refresh(campaign)
    held_before, number_before = campaign.held_at, (campaign.held_people, campaign.held_houses)
    found = open_entry(session, entry, found, now)
    result.is_news = campaign.held_at != held_before
    if result.is_news or number_before != (campaign.held_people, campaign.held_houses):
        settle_hold(session, campaign, now, "brake")
    result.held = found.judgement if found.judgement is not None and found.judgement.is_held else None
    result.not_enrolled = found.refused
    return found


def make_rule(settings: EntrySettings, definition: CampaignDefinition) -> EntryRule:
    """How many may enter a campaign in a day: what its own file says, else the settings."""
    people, houses = definition.people_a_day or settings.people_a_day, definition.houses_a_day or settings.houses_a_day
    return EntryRule(people, houses, settings.times_largest)


def make_ready(session: Session, app: App, entry: Entry, definitions: dict[int, CampaignDefinition]) -> Ready:
    """What planning needs to know of a campaign's texts, and of the houses."""
    campaign, houses = entry.campaign, Houses(session, app.today(app.now()))
    files = load_wordings(session, campaign, definitions)
    return Ready(
        campaign,
        definitions,
        languages_by_step(campaign.name, definitions.values(), files, app.settings.language),
        plain_steps(campaign.name, files),
        pack_steps(campaign.name, files),
        frozenset(step for step, codes in toolkits_by_step(campaign.name, files).items() if any(map(houses.is_withdrawn, codes))),
        load_skipped_steps(session, campaign.id or 0),
        find_begun_steps(session, campaign, definitions.values()),
        topics_by_step(campaign.name, files),
        entry.campaign_ids,
        entry.houses,
    )


def make_entry(session: Session, app: App, campaign: Campaign, version_id: int, definition: CampaignDefinition) -> Entry:
    """What entering a campaign needs to know, with the houses' inheritance laid out for this transaction."""
    campaign_ids = load_campaign_ids(session)
    houses = load_houses(session, zone=app.settings.zone, language=app.settings.language)
    fill_houses(session, houses.values())
    return Entry(
        campaign,
        version_id,
        definition,
        campaign_ids,
        tuple(campaign_ids[name] for name in definition.not_while_in if name in campaign_ids),
        tuple(campaign_ids.get(name, 0) for name in definition.starts_after),
        houses,
        make_rule(app.settings.entries, definition),
    )


def load_successors(session: Session, definitions: Iterable[CampaignDefinition]) -> frozenset[str]:
    """The running campaigns that these definitions lead into."""
    running = {each.name for each in running_campaigns(session)}
    return frozenset(definition.then for definition in definitions if definition.then in running)


def compose_open(app: App, now: datetime) -> int:
    """Make and store every edition that open letters need; a text that cannot be composed is met again at the hand-over."""
    with store.read(app.engine) as session:
        library = open_library(app, session, opens=True)
        for key in open_keys(session, library):
            with suppress(ProblemsError, InputError):
                library.edition(key)
        packs = list(_waiting_packs(session, library))
        if not (library.made or packs):
            return 0
        with store.write(app.engine) as writing:
            made = library.record_made(writing, now)
            record_revisions(writing, library, packs, now)
            return made


def _waiting_packs(session: Session, library: Library) -> Iterator[tuple[int, LetterKey]]:
    """Packs that wait for their hand-over and can be composed, each with the edition it would pass on."""
    pack, dispatch = table_of(Pack), table_of(Dispatch)
    query = select(pack.c.id.label("pack_id"), dispatch).join_from(pack, dispatch, dispatch.c.id == pack.c.dispatch_id)
    for row in session.execute(query.where(is_waiting(dispatch))):
        key = pack_key(key_of_row(row))
        with suppress(ProblemsError, InputError):
            library.edition(key)
            yield row.pack_id, key


def make_composer(app: App, session: Session, *, counts: bool = False) -> Composer:
    """The composer of one run, reading through ``session``. ``counts``: of what really leaves; what we look at counts nowhere."""
    houses = Houses(session, app.today(app.now()))
    return Composer(
        open_library(app, session, houses, counts=counts),
        houses,
        app.keyring,
        app.settings.sender,
        app.settings.web.base_url,
        app.settings.zone,
        takes_mail=app.settings.inbox.takes_mail,
    )
