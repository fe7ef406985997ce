"""Publishing: files are drafts, a published version is frozen with everything it reaches.

Structure stays with the version people entered on; a wording of the same step name comes from the latest version, so a
correction reaches everyone not yet served (house rule "Versions").
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlmodel import Session, col

from om_campaigns.campaign.definition import CampaignDefinition
from om_campaigns.campaign.models import Blob, Campaign, CampaignFile, CampaignVersion, SkippedStep
from om_campaigns.campaign.vocabulary import CampaignKind, CampaignStatus
from om_campaigns.columns import digest, dump_json, table_of
from om_campaigns.errors import InputError
from om_campaigns.nearest import make_hint

PUBLISHED = ("campaign", "campaign_version", "blob", "campaign_file")
"""The tables a publication is written to."""

DESPITE = "published despite"
"""The field of the change log that says which rules of the check somebody set aside for a version."""


@dataclass(frozen=True)
class Published:
    """A version as it stands in the database; ``is_new`` is False when nothing had changed since the last one."""

    campaign: Campaign
    version_id: int
    number: int
    is_new: bool
    is_first: bool


def publish(session: Session, name: str, definition: CampaignDefinition, files: Mapping[str, str], now: datetime, actor: str) -> Published:
    """Freeze a definition and the files it reaches (path below ``templates/`` → text). The same again makes no version.

    A campaign that was stopped stays so, whatever is published: nothing of it is sent, but archive and answers follow its latest version.
    Raises InputError when its kind or mailing list would change.
    """
    campaign = session.execute(select(Campaign).where(table_of(Campaign).c.name == name)).scalar_one_or_none()
    is_first = campaign is None
    if campaign is None:
        campaign = Campaign(name=name, kind=CampaignKind(definition.kind), mailing_list=definition.mailing_list)
        session.add(campaign)
        session.flush()
    _refuse_other_nature(campaign, definition)
    structure = definition.to_structure()
    structure_hash = digest(dump_json(structure))
    hashes = {path: digest(text) for path, text in files.items()}
    content_hash = digest(*[part for path in sorted(hashes) for part in (path, hashes[path])])
    latest = session.get(CampaignVersion, campaign.latest_version_id) if campaign.latest_version_id else None
    if latest is not None and (latest.structure_hash, latest.content_hash) == (structure_hash, content_hash):
        return Published(campaign, latest.id, latest.number, is_new=False, is_first=False)
    version = CampaignVersion(
        campaign_id=campaign.id,
        number=latest.number + 1 if latest else 1,
        structure_hash=structure_hash,
        content_hash=content_hash,
        structure=structure,
        published_at=now,
        published_by=actor,
    )
    session.add(version)
    session.flush()
    known = set(session.execute(select(table_of(Blob).c.hash).where(table_of(Blob).c.hash.in_(set(hashes.values())))).scalars())
    for path, each in sorted(hashes.items()):
        if each not in known:
            session.add(Blob(hash=each, body=files[path]))
            known.add(each)
    session.flush()
    session.add_all(CampaignFile(version_id=version.id, path=path, blob_hash=each) for path, each in sorted(hashes.items()))
    campaign.latest_version_id = version.id
    session.add(campaign)
    session.flush()
    return Published(campaign, version.id, version.number, is_new=True, is_first=is_first)


def _refuse_other_nature(campaign: Campaign, definition: CampaignDefinition) -> None:
    if campaign.kind != definition.kind or campaign.mailing_list != definition.mailing_list:
        raise InputError(
            f"campaign '{campaign.name}' is published as {campaign.kind} of the list '{campaign.mailing_list}'; both are for ever",
            hint="people consented to a list, not to a file: use another campaign name",
        )


def load_definitions(session: Session, campaign: Campaign) -> dict[int, CampaignDefinition]:
    """Every version of a campaign, by version id: people stay on the one they entered on."""
    version = table_of(CampaignVersion)
    rows = session.execute(select(version.c.id, version.c.structure).where(version.c.campaign_id == campaign.id).order_by(version.c.id))
    return {row.id: CampaignDefinition.from_structure(row.structure) for row in rows}


def load_priorities(session: Session, campaigns: Sequence[Campaign]) -> dict[int, int]:
    """By campaign id what the latest version of each gives as its priority; asked every minute, so nothing else of it is read."""
    version = table_of(CampaignVersion)
    latest = [each.latest_version_id for each in campaigns]
    rows = session.execute(select(version.c.campaign_id, version.c.structure).where(version.c.id.in_(latest)))
    return {row.campaign_id: row.structure["priority"] for row in rows}


def load_files(session: Session, version_id: int) -> dict[str, str]:
    """The frozen files of a version: path below ``templates/`` → text."""
    file, blob = table_of(CampaignFile), table_of(Blob)
    query = select(file.c.path, blob.c.body).join_from(file, blob, blob.c.hash == file.c.blob_hash).where(file.c.version_id == version_id)
    return dict(session.execute(query).all())


def load_wordings(session: Session, campaign: Campaign, definitions: Mapping[int, CampaignDefinition]) -> dict[str, str]:
    """The files letters are made from now: those of the latest version, and of an older one for steps that only it has."""
    latest = campaign.latest_version_id or 0
    files = load_files(session, latest)
    for version_id, definition in definitions.items():
        own = {f"campaigns/{campaign.name}/{step.name}." for step in definition.steps if definitions[latest].step(step.name) is None}
        if own:
            files |= {path: text for path, text in load_files(session, version_id).items() if path.startswith(tuple(own))}
    return files


def load_skipped_steps(session: Session, campaign_id: int) -> frozenset[str]:
    """Steps that somebody took out of a campaign for everybody not yet served."""
    skipped = table_of(SkippedStep)
    return frozenset(session.execute(select(skipped.c.step).where(skipped.c.campaign_id == campaign_id)).scalars())


def running_campaigns(session: Session) -> list[Campaign]:
    """Campaigns that may plan now, by name."""
    campaign = table_of(Campaign)
    return list(session.execute(select(Campaign).where(campaign.c.status == CampaignStatus.running).order_by(campaign.c.name)).scalars())


def is_same(session: Session, campaign: Campaign) -> bool:
    """A campaign that was loaded earlier still runs, with the version it had then."""
    found = table_of(Campaign)
    row = session.execute(select(found.c.status, found.c.latest_version_id).where(found.c.id == campaign.id)).one()
    return (row.status, row.latest_version_id) == (CampaignStatus.running, campaign.latest_version_id)


def get_campaign(session: Session, name: str) -> Campaign:
    """A published campaign by name; raises InputError otherwise."""
    found: Campaign | None = session.execute(select(Campaign).where(table_of(Campaign).c.name == name)).scalar_one_or_none()
    if found is None:
        published = session.execute(select(table_of(Campaign).c.name)).scalars()
        hint = make_hint(name, published, "see 'om-campaigns campaign list', then 'campaign publish'")
        raise InputError(f"no campaign '{name}' is published", hint=hint)
    return found


def load_campaign_ids(session: Session) -> dict[str, int]:
    """Name → id of every published campaign."""
    return {row.name: row.id for row in session.execute(select(col(Campaign.id), col(Campaign.name)))}
