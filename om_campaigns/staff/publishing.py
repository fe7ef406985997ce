"""Publishing campaigns: check everything that changed, then freeze all of it or nothing."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlalchemy import select
from sqlmodel import Session

from om_campaigns import events, store
from om_campaigns.app import App
from om_campaigns.audience.changes import record_change
from om_campaigns.audience.vocabulary import Origin
from om_campaigns.campaign.definition import CampaignDefinition
from om_campaigns.campaign.enrolment import close_to_present_members
from om_campaigns.campaign.entry_brake import Judgement, Subjects, load_left_out, raise_largest
from om_campaigns.campaign.models import Campaign, CampaignVersion
from om_campaigns.campaign.releases import DESPITE, Published, publish
from om_campaigns.campaign.vocabulary import PermissionKind
from om_campaigns.columns import table_of
from om_campaigns.errors import Problem, ProblemsError
from om_campaigns.planning import make_entry
from om_campaigns.staff.entry_figures import Entering, confirm_entries, foresee_entries, require_figure
from om_campaigns.staff.release_review import Review, review_drafts
from om_campaigns.staff.under_way import VersionChange, describe_change


@dataclass(frozen=True)
class Publication:
    """What publishing came to: a version for each campaign, and the errors that stopped nothing.

    ``earlier`` stand in what was published before and is sent on; ``set_aside`` were named by ``despite``, by campaign; ``changes``
    say what new versions mean for those who are in the series; ``entering`` who newly enters by them.
    """

    done: Sequence[Published]
    earlier: Sequence[Problem] = ()
    set_aside: Mapping[str, Sequence[Problem]] = field(default_factory=dict)
    changes: Sequence[VersionChange] = ()
    entering: Sequence[Entering] = ()


def publish_campaigns(
    app: App,
    names: Sequence[str],
    now: datetime,
    actor: str,
    *,
    despite: Collection[str] = (),
    expect: int | None = None,
    asks: bool = False,
) -> Publication:
    """Check and publish campaigns, all or none; the same files again publish nothing new.

    ``despite`` names rules of the check that are wrong tonight: what breaks them is published all the same, and the change log
    says by whom. ``expect`` is how many would newly enter in all, and lets exactly those in; ``asks``: see ``require_figure``.
    Raises ProblemsError with every error of what changed, FigureNeededError where too many would enter for a day and nobody said
    how many.
    """
    review = review_drafts(app, names, now, despite)
    if review.stopping:
        raise ProblemsError(review.stopping, hint=_say_what_holds(app, review))
    return publish_reviewed(app, review, now, actor, expect=expect, asks=asks)


def publish_reviewed(app: App, review: Review, now: datetime, actor: str, *, expect: int | None = None, asks: bool = False) -> Publication:
    """Publish the drafts of a review in which nothing stops them, all or none; otherwise as ``publish_campaigns``."""
    with store.write(app.engine) as session:
        done = [publish(session, draft.name, draft.definition, draft.files, now, actor) for draft in review.drafts]
        left_out = []
        for draft, published in zip(review.drafts, done, strict=True):
            if published.is_first and not draft.definition.backfill:
                left_out.append(leave_out_present(session, app, published, draft.definition, now))
            if published.is_new and draft.name in review.set_aside:
                rules = ", ".join(sorted({fault.rule_id for fault in review.set_aside[draft.name]}))
                record_change(session, "campaign", published.campaign.id or 0, DESPITE, None, rules, now, actor, Origin.staff)
                events.published_despite(draft.name, published.number, rules)
        changes = [change for each in done if (change := describe_change(session, each))]
        entering = left_out + _foresee(session, app, done, now)
        require_figure(entering, expect, asks=asks)
        if expect is not None:
            entering = confirm_entries(session, PermissionKind.publication, entering, actor, now)
        session.flush()
        session.expunge_all()
    return Publication(done, review.earlier, review.set_aside, changes, entering)


def _say_what_holds(app: App, review: Review) -> str:
    """What stays in force, and the way past a rule that is wrong tonight."""
    with store.read(app.engine) as session:
        published = set(session.execute(select(table_of(Campaign).c.name)).scalars())
    kept = sorted(draft.name for draft in review.drafts if draft.name in published)
    said = "nothing was published" + (f"; {', '.join(kept)} as published before goes on being sent" if kept else "")
    rules = [rule for rule in review.can_set_aside if any(fault.rule_id == rule for fault in review.stopping)]
    return said + (f"; where a rule is wrong tonight: {' '.join(f'--despite {rule}' for rule in rules)}" if rules else "")


def _foresee(session: Session, app: App, done: Sequence[Published], now: datetime) -> list[Entering]:
    """Who would newly enter by what was published now."""
    first = {each.campaign.name for each in done if each.is_first}
    found = foresee_entries(session, app, now, [each.campaign.name for each in done if each.is_new])
    return [replace(each, is_first=each.campaign in first) for each in found]


def leave_out_present(session: Session, app: App, published: Published, definition: CampaignDefinition, now: datetime) -> Entering:
    """``backfill = false``: whoever matches already at the first publication is left out for good; says how many those are.

    Their number is what later days are compared with, as that of the first day of any other campaign.
    """
    version = session.get_one(CampaignVersion, published.version_id)
    entry = make_entry(session, app, published.campaign, version.id or 0, definition)
    close_to_present_members(session, entry, now, app.today(now))
    number = load_left_out(session, published.campaign.id or 0)
    raise_largest(session, published.campaign, number)
    judgement = Judgement(number, Subjects(), entry.rule.bound(Subjects()), is_confirmed=False)
    return Entering(published.campaign.name, judgement, is_first=True, stays_out=True)
