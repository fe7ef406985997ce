"""Who would enter which campaign: shown before anything is stored that lets them in, and confirmed by its figure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import func, select
from sqlmodel import Session

from om_campaigns import events, store
from om_campaigns.app import App, require_real_clock
from om_campaigns.audience.changes import record_change
from om_campaigns.audience.vocabulary import Origin
from om_campaigns.campaign.calendar import Calendar
from om_campaigns.campaign.enrolment import ENTRANT, foresee
from om_campaigns.campaign.entry_brake import CONFIRMED_FOR, Judgement, Subjects, confirm_entry, most_by
from om_campaigns.campaign.entry_holds import settle_hold
from om_campaigns.campaign.letting_in import note_held
from om_campaigns.campaign.models import Campaign
from om_campaigns.campaign.releases import get_campaign, load_definitions, running_campaigns
from om_campaigns.campaign.vocabulary import CampaignStatus, PermissionKind
from om_campaigns.errors import RefusedError
from om_campaigns.planning import make_entry


@dataclass(frozen=True, slots=True)
class Entering:
    """Who would newly enter one campaign, and from when on they are written to.

    ``is_first``: the campaign has let nobody in before. ``stays_out``: it has no backfill, so these match and stay outside for ever.
    ``was_held``: the brake holds this campaign already, so nobody enters it by more of them.
    """

    campaign: str
    judgement: Judgement
    first_due_at: datetime | None = None
    is_first: bool = False
    stays_out: bool = False
    was_held: bool = False

    @property
    def number(self) -> Subjects:
        return self.judgement.entering

    @property
    def needs_figure(self) -> bool:
        """Too many for a day, and not known to be held."""
        return self.judgement.is_held and not self.was_held


class FigureNeededError(RefusedError):
    """More would enter than may unasked, or not as many as was said; whoever is asked must type how many."""

    def __init__(self, message: str, entering: Sequence[Entering], *, hint: str) -> None:
        super().__init__(message, hint=hint)
        self.entering = tuple(entering)


def foresee_entries(session: Session, app: App, now: datetime, names: Collection[str] | None = None) -> list[Entering]:
    """Who would enter the running campaigns (those named) with the next tick, by the statements that let them in.

    Campaigns that nobody would enter are left out. Nothing is changed but temporary tables.
    """
    found = []
    for campaign in running_campaigns(session):
        if names is None or campaign.name in names:
            entering = foresee_entry(session, app, campaign, now)
            found += [entering] if entering is not None else []
    return found


def foresee_entry(session: Session, app: App, campaign: Campaign, now: datetime) -> Entering | None:
    """Who would enter one campaign with the next tick, None where nobody would; they stand in ENTRANT then."""
    version_id = campaign.latest_version_id or 0
    definition = load_definitions(session, campaign)[version_id]
    entry = make_entry(session, app, campaign, version_id, definition)
    judgement = foresee(session, entry, Calendar(), now, app.today(now)).judgement
    if judgement is None:
        return None
    first = session.execute(select(func.min(ENTRANT.c.due_at))).scalar_one()
    return Entering(campaign.name, judgement, first, was_held=campaign.held_at is not None)


def count_entering(entering: Sequence[Entering]) -> int:
    """The figure that confirms them all."""
    return sum(each.number.total for each in entering)


def require_figure(entering: Sequence[Entering], expect: int | None, *, asks: bool = False) -> None:
    """Raises FigureNeededError where the figure that was said is another one, or none was and one is needed.

    ``asks``: somebody can be asked, so a first publication needs its figure too.
    """
    total = count_entering(entering)
    if expect is not None and expect != total:
        raise FigureNeededError(
            f"{total} would enter, not {expect}; nothing was stored", entering, hint=f"look again, then --expect {total}"
        )
    if expect is None and any(each.needs_figure or (asks and each.is_first) for each in entering):
        held = [describe_held(each.campaign, each.judgement) for each in entering if each.needs_figure]
        told = "; ".join(held) or f"{total:,} would enter for the first time"
        raise FigureNeededError(f"{told}; nothing was stored", entering, hint=f"if that is right, say so with --expect {total}")


def describe_held(campaign: str, judgement: Judgement) -> str:
    """``2,995 people would enter wir-gedanke, 100 is the most in a day``."""
    number, bound, lately = judgement.entering, judgement.bound, judgement.lately
    parts = []
    for one, several, wanted, before, most in (
        ("person", "people", number.people, lately.people, bound.people),
        ("house", "houses", number.houses, lately.houses, bound.houses),
    ):
        if wanted + before > most:
            after = f" after {before:,} within 24 hours" if before else ""
            parts.append(f"{wanted:,} {one if wanted == 1 else several} would enter {campaign}{after}, {most:,} is the most in a day")
    return " and ".join(parts)


def confirm_entries(session: Session, what: PermissionKind, entering: Sequence[Entering], who: str, now: datetime) -> list[Entering]:
    """Somebody has seen these figures and said yes: a permission for each campaign. Returns them as they stand then."""
    for each in entering:
        if not each.stays_out:
            confirm_entry(session, what, get_campaign(session, each.campaign), each.number.total, who, now)
    return [replace(each, judgement=replace(each.judgement, is_confirmed=True)) for each in entering]


@dataclass(frozen=True, slots=True)
class Admitted:
    """What ``admit`` came to: who would enter, and until when up to ``most`` may; ``until`` is None where nobody was held."""

    entering: Entering | None
    until: datetime | None = None
    most: int = 0


def admit(app: App, name: str, expect: int | None, now: datetime, actor: str) -> Admitted:
    """Let those in whom the brake holds, if there are ``expect`` of them: a permission for this campaign, for seven days.

    Nothing is given where nobody is held. Raises InputError for an unknown campaign, RefusedError for one that does not run,
    FigureNeededError where the figure is missing or another one.
    """
    require_real_clock(app)
    with store.write(app.engine) as session:
        campaign = get_campaign(session, name)
        if campaign.status is not CampaignStatus.running:
            raise RefusedError(f"{name} is {campaign.status.value}: nobody enters it", hint="'om-campaigns campaign resume' lets it go on")
        entering = foresee_entry(session, app, campaign, now)
        if entering is None or not entering.judgement.is_held:
            return Admitted(entering)
        total = entering.number.total
        if expect != total:
            wrong = f", not {expect:,}" if expect is not None else ""
            raise FigureNeededError(
                f"{total:,} would enter {name}{wrong}; it stays held",
                [entering],
                hint=f"if that is right: om-campaigns campaign admit {name} --expect {total}",
            )
        confirm_entry(session, PermissionKind.admit, campaign, total, actor, now)
        record_change(session, "campaign", campaign.id or 0, "admitted", None, str(total), now, actor, Origin.staff)
        note_held(session, campaign, None, now)
        settle_hold(session, campaign, now, actor)
    events.entry_admitted(name, total, actor)
    return Admitted(entering, now + CONFIRMED_FOR, most_by(total))
