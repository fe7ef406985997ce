"""Publishing campaigns: check everything that changed, then freeze all of it or nothing."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import select
from sqlmodel import Session

from om_campaigns import events, store
from om_campaigns.app import App
from om_campaigns.audience.changes import record_change
from om_campaigns.audience.vocabulary import Origin
from om_campaigns.campaign.definition import CampaignDefinition
from om_campaigns.campaign.enrolment import close_to_present_members
from om_campaigns.campaign.models import Campaign, CampaignVersion
from om_campaigns.campaign.releases import DESPITE, Published, publish
from om_campaigns.columns import table_of
from om_campaigns.errors import Problem, ProblemsError
from om_campaigns.pipeline.staff.release_review import Review, review_drafts
from om_campaigns.pipeline.staff.under_way import VersionChange, describe_change
from om_campaigns.pipeline.tick import make_entry


@dataclass(frozen=True)
class Publication:
    """What publishing came to: a version for each campaign, and the errors that stopped nothing.

    ``earlier`` stand in what was published before and is sent on; ``set_aside`` were named by ``despite``, by campaign; ``changes``
    say what new versions mean for those who are in the series.
    """

    done: Sequence[Published]
    earlier: Sequence[Problem] = ()
    set_aside: Mapping[str, Sequence[Problem]] = field(default_factory=dict)
    changes: Sequence[VersionChange] = ()


def publish_campaigns(app: App, names: Sequence[str], now: datetime, actor: str, *, despite: Collection[str] = ()) -> Publication:
    """Check and publish campaigns, all or none; the same files again publish nothing new.

    ``despite`` names rules of the check that are wrong tonight: what breaks them is published all the same, and the change log
    says by whom. Raises ProblemsError with every error of what changed.
    """
    review = review_drafts(app, names, now, despite)
    if review.stopping:
        raise ProblemsError(review.stopping, hint=_say_what_holds(app, review))
    with store.write(app.engine) as session:
        done = [publish(session, draft.name, draft.definition, draft.files, now, actor) for draft in review.drafts]
        for draft, published in zip(review.drafts, done, strict=True):
            if published.is_first and not draft.definition.backfill:
                leave_out_present(session, app, published, draft.definition, now)
            if published.is_new and draft.name in review.set_aside:
                rules = ", ".join(sorted({fault.rule_id for fault in review.set_aside[draft.name]}))
                record_change(session, "campaign", published.campaign.id or 0, DESPITE, None, rules, now, actor, Origin.staff)
                events.published_despite(draft.name, published.number, rules)
        changes = [change for each in done if (change := describe_change(session, each))]
        session.flush()
        session.expunge_all()
    return Publication(done, review.earlier, review.set_aside, changes)


def _say_what_holds(app: App, review: Review) -> str:
    """What stays in force, and the way past a rule that is wrong tonight."""
    with store.read(app.engine) as session:
        published = set(session.execute(select(table_of(Campaign).c.name)).scalars())
    kept = sorted(draft.name for draft in review.drafts if draft.name in published)
    said = "nothing was published" + (f"; {', '.join(kept)} as published before goes on being sent" if kept else "")
    rules = [rule for rule in review.can_set_aside if any(fault.rule_id == rule for fault in review.stopping)]
    return said + (f"; where a rule is wrong tonight: {' '.join(f'--despite {rule}' for rule in rules)}" if rules else "")


def leave_out_present(session: Session, app: App, published: Published, definition: CampaignDefinition, now: datetime) -> int:
    """``backfill = false``: whoever matches already at the first publication is left out for good."""
    version = session.get_one(CampaignVersion, published.version_id)
    entry = make_entry(session, app, published.campaign, version.id or 0, definition)
    return close_to_present_members(session, entry, now, app.today(now))
