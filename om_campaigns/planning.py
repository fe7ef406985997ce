"""Who enters a campaign and what falls due: each campaign asked in the order of priority, until nothing more follows from it.

Entering and planning are done in slices, each of them one transaction, so that nobody who writes waits for long; nobody enters where
the brake holds. ``tick`` applies it, ``look`` undoes it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlmodel import Session

from om_campaigns import events, store
from om_campaigns.app import App
from om_campaigns.campaign.about import About
from om_campaigns.campaign.calendar import Calendar
from om_campaigns.campaign.candidates import Entry
from om_campaigns.campaign.caps import find_late, find_late_letters, reschedule
from om_campaigns.campaign.definition import CampaignDefinition
from om_campaigns.campaign.enrolment import Entered, find_followed, foresee, sources_of
from om_campaigns.campaign.entry_brake import EntryRule, Judgement, settle_hold
from om_campaigns.campaign.house_values import fill_houses, load_houses
from om_campaigns.campaign.letting_in import close_entry, enrol, find_who_left, is_known_held, load_entrants, note_who_left, open_entry
from om_campaigns.campaign.models import Campaign
from om_campaigns.campaign.owed import Owed as Owed  # commands print it
from om_campaigns.campaign.owed import count_uncertain, load_owed
from om_campaigns.campaign.plan import Planned, find_due, plan
from om_campaigns.campaign.plan_rows import Ready, find_begun_steps, load_due
from om_campaigns.campaign.progress import advance, find_settled
from om_campaigns.campaign.releases import (
    get_campaign,
    is_same,
    load_campaign_ids,
    load_definitions,
    load_priorities,
    load_skipped_steps,
    load_wordings,
    running_campaigns,
)
from om_campaigns.campaign.slices import fill_slice, slices
from om_campaigns.campaign.timing import Caps
from om_campaigns.campaign.unseen import Sight, is_anything_noted, look_up, record_look, take_down
from om_campaigns.campaign.vocabulary import Reason
from om_campaigns.compose.contexts import Houses
from om_campaigns.letters.texts import languages_by_step, pack_steps, plain_steps, toolkits_by_step, topics_by_step
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


def plan_in(session: Session, app: App, now: datetime, until: datetime, *, campaign: str | None = None) -> list[CampaignPlan]:
    """Enrol and plan campaign by campaign in the caller's transaction, the highest priority first."""
    found, turns = {each.name: each for each in _campaigns(session, app, campaign)}, store.OneTurn(session)
    return _plan_each(list(found), lambda name: plan_campaign(turns, app, found[name], now, until))


def tell_owed(session: Session, plans: Sequence[CampaignPlan], until: datetime, newest: int) -> None:
    by_name = {each.campaign: each for each in plans}
    for line in load_owed(session, until, newest):
        if line.campaign in by_name:
            by_name[line.campaign].owed.append(line)
    for (name, step), number in count_uncertain(session).items():
        if name in by_name:
            by_name[name].uncertain[step] = number


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
    return sorted(found, key=lambda each: (-priorities[each.id], each.name))


def plan_campaign(
    turns: Turns, app: App, campaign: Campaign, now: datetime, until: datetime, *, asks_all: bool = False, about: About | None = None
) -> CampaignPlan:
    """One campaign: who moves on, who enters, and what is owed by ``until``, in slices that are whole each by itself.

    Who may enter is asked where anything was written since that could change the answer, or with ``asks_all``. For a look at one
    recipient, ``about``, nobody else moves, enters or is owed anything, but those behind the same addresses.
    """
    result = CampaignPlan(campaign.name, 0, Planned(), Counter())
    calendar, caps = Calendar(), Caps(app.settings.caps.per_week, app.settings.caps.per_month)
    with turns.reading() as session:
        definitions = load_definitions(session, campaign)
        latest = definitions[campaign.latest_version_id or 0]
        entry = make_entry(session, app, campaign, campaign.latest_version_id or 0, latest)
        successors = load_successors(session, definitions.values())
        settled = find_settled(session, campaign, now)
        late = find_late_letters(session, campaign.id, now)
        if about is not None and any(audience.passes_on for each in definitions.values() for audience in each.audiences):
            about = None  # among all who could receive a pack, one is chosen
        if about is not None:
            settled, late = about.choose_enrolments(session, campaign, settled), about.choose_letters(session, campaign, late)
    for part in _parts(turns, settled):
        with turns.writing() as session:
            if not is_same(session, campaign):
                return result
            fill_slice(session, part)
            result.moved += advance(session, campaign, definitions, calendar, now, successors)
            result.entered = successors
    for part in _parts(turns, late):
        with turns.writing() as session:
            if not is_same(session, campaign):
                return result
            fill_slice(session, part)
            reschedule(session, calendar, definitions, caps, now)
    if not _let_in(turns, app, entry, calendar, now, result, asks_all=asks_all, about=about):
        return result
    with turns.reading() as session:
        due = load_due(session, campaign, until)
        ready = make_ready(session, app, entry, definitions) if due else None
        if about is not None and ready is not None and not ready.carries_packs:
            due = about.choose_enrolments(session, campaign, due)
    if ready is None:
        return result
    for part in [due] if ready.carries_packs else _parts(turns, due):
        with turns.writing() as session:
            if not is_same(session, campaign):
                return result
            fill_slice(session, part)
            result.planned.add(plan(session, ready, calendar, caps, now, app.today(now), until))
    return result


def _parts(turns: Turns, numbers: Sequence[int]) -> Iterable[Sequence[int]]:
    """Slices for transactions of their own; where all is one transaction anyway, each slice would only have its fixed cost."""
    return slices(numbers) if turns.keeps else [numbers] if numbers else []


def _let_in(
    turns: Turns,
    app: App,
    entry: Entry,
    calendar: Calendar,
    now: datetime,
    result: CampaignPlan,
    *,
    asks_all: bool,
    about: About | None,
) -> bool:
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
        left = about.choose_enrolments(session, campaign, left) if about is not None and left else left
    for part in _parts(turns, left):
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
    if about is not None:
        with turns.writing() as session:
            session.add(campaign)
            for number in about.choose_entrants(session):
                result.enrolled += enrol(session, entry, [number], now)
        return True
    for part in _parts(turns, entrants) if entrants else [entrants]:
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
        load_skipped_steps(session, campaign.id),
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
