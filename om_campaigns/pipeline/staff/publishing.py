"""Publishing campaigns: check everything, then freeze all of it or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlmodel import Session

from om_campaigns import store
from om_campaigns.app import App
from om_campaigns.campaign.definition import CampaignDefinition
from om_campaigns.campaign.enrolment import close_to_present_members
from om_campaigns.campaign.models import CampaignVersion
from om_campaigns.campaign.releases import Published, publish
from om_campaigns.errors import ProblemsError
from om_campaigns.pipeline.texts import read_drafts
from om_campaigns.pipeline.tick import make_entry


def publish_campaigns(app: App, names: Sequence[str], now: datetime, actor: str) -> list[Published]:
    """Check and publish campaigns, all or none; the same files again publish nothing new.

    Raises ProblemsError with everything that is wrong in any of them.
    """
    with store.write(app.engine) as session:
        drafts, problems = read_drafts(app, session, names)
        if problems:
            raise ProblemsError(problems, hint="nothing was published")
        done = [publish(session, draft.name, draft.definition, draft.files, now, actor) for draft in drafts]
        for draft, published in zip(drafts, done, strict=True):
            if published.is_first and not draft.definition.backfill:
                leave_out_present(session, app, published, draft.definition, now)
        session.expunge_all()
        return done


def leave_out_present(session: Session, app: App, published: Published, definition: CampaignDefinition, now: datetime) -> int:
    """``backfill = false``: whoever matches already at the first publication is left out for good."""
    version = session.get_one(CampaignVersion, published.version_id)
    entry = make_entry(session, app, published.campaign, version.id or 0, definition)
    return close_to_present_members(session, entry, now, app.today(now))
