"""Publishing: what keeps drafts back, whom a change concerns, what is asked, and freezing them as a version."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlmodel import Session

from om_campaigns import events, store
from om_campaigns.app import App
from om_campaigns.audience.changes import record_change
from om_campaigns.audience.vocabulary import Origin, RecipientKind
from om_campaigns.campaign.candidates import Entry
from om_campaigns.campaign.definition import CampaignDefinition
from om_campaigns.campaign.enrolment import close_to_present_members, find_present_members
from om_campaigns.campaign.entry_brake import Judgement, Subjects, raise_largest
from om_campaigns.campaign.matching import is_active
from om_campaigns.campaign.models import Campaign, CampaignFile, CampaignVersion, Enrolment
from om_campaigns.campaign.reading import parse_text_name
from om_campaigns.campaign.releases import DESPITE, PUBLISHED, Published, load_definitions, load_files, publish
from om_campaigns.campaign.vocabulary import PermissionKind
from om_campaigns.columns import table_of
from om_campaigns.compose.step_checks import check_looks
from om_campaigns.errors import InputError, Problem, ProblemsError, errors_among
from om_campaigns.letters.texts import SHARED, Draft, campaign_names, check_texts, read_defined
from om_campaigns.planning import make_entry
from om_campaigns.staff.entering import Entering, confirm_entries, foresee_entries, require_figure
from om_campaigns.staff.linting import find_faults


@dataclass(frozen=True)
class Review:
    """Drafts as they were read, and their errors by what becomes of them; ``set_aside`` by the campaign they are published with."""

    drafts: Sequence[Draft]
    stopping: Sequence[Problem] = ()
    earlier: Sequence[Problem] = ()
    set_aside: Mapping[str, Sequence[Problem]] = field(default_factory=dict)
    can_set_aside: Collection[str] = ()
    """Rules of ``stopping`` that ``despite`` may name: letters can be made in spite of them."""


@dataclass(frozen=True)
class _Frozen:
    """What of a campaign is published: its latest version."""

    definition: CampaignDefinition
    files: Mapping[str, str]

    def is_like(self, draft: Draft) -> bool:
        return self.definition == draft.definition and self.files == draft.files


def review_drafts(app: App, names: Sequence[str], now: datetime, despite: Collection[str] = ()) -> Review:
    """Check the named campaigns (all, if none is named) as ``check`` does; drafts that would publish nothing new are not looked at.

    An error stops its campaign unless the same rule was broken by the same, unchanged file when it was last published, or
    ``despite`` names the rule and the letter can be made all the same. Raises InputError for unknown campaigns, and for a rule of
    ``despite`` that nothing breaks.
    """
    with store.scratch(app.engine, (*PUBLISHED, "organisation")) as session:
        drafts, problems = read_defined(app, session, names)
        is_whole = {draft.name for draft in drafts} == set(names or campaign_names(app))
        stopping = [] if is_whole else errors_among(problems)  # a broken segment stops those who need it
        frozen = {draft.name: _load_frozen(session, draft.name) for draft in drafts}
        changed = [draft for draft in drafts if not (found := frozen[draft.name]) or not found.is_like(draft)]
        faults, unmakeable = _find_faults(app, session, changed, now)
        before: dict[str, set[tuple[str, str]]] = {}
        earlier: list[Problem] = []
        set_aside: dict[str, list[Problem]] = {}
        for fault in faults:
            concerned = [draft for draft in changed if not fault.file.startswith("campaigns/") or _is_of(fault, draft.name)]
            shown = replace(fault, file=(app.templates / fault.file).as_posix())
            if all(_was_there(app, session, draft, frozen[draft.name], fault, now, before) for draft in concerned):
                earlier.append(shown)
            elif fault.rule_id in despite and fault not in unmakeable:
                for draft in concerned:
                    set_aside.setdefault(draft.name, []).append(shown)
            else:
                stopping.append(shown)
        can_set_aside = sorted({fault.rule_id for fault in faults if fault not in unmakeable} - set(despite))
    known = {fault.rule_id for fault in faults}
    if changed and (unknown := sorted(set(despite) - known)):
        hint = f"faults were found of {', '.join(sorted(known))}" if known else "leave --despite away: nothing is wrong"
        raise InputError(f"no changed file breaks the rule '{unknown[0]}'", hint=hint)
    return Review(drafts, list(dict.fromkeys(stopping)), earlier, set_aside, can_set_aside)


def _is_of(fault: Problem, name: str) -> bool:
    return f"{fault.file}/".startswith(f"campaigns/{name}/")


def _find_faults(app: App, session: Session, drafts: Sequence[Draft], now: datetime) -> tuple[list[Problem], set[Problem]]:
    """Errors of these drafts with their paths below ``templates/``, and those for which no letter can be made."""
    if not drafts:
        return [], set()
    prefix = app.templates.as_posix() + "/"
    texts = [replace(fault, file=fault.file.removeprefix(prefix)) for draft in drafts for fault in draft.faults]
    looks = [fault for draft in drafts for fault in check_looks(_shared(draft.files))]
    letters, unmakeable = find_faults(app, session, drafts, now)
    return errors_among(dict.fromkeys([*looks, *texts, *letters])), unmakeable


def _shared(files: Mapping[str, str]) -> dict[str, str]:
    return {path: text for path, text in files.items() if path.startswith(tuple(f"{folder}/" for folder in SHARED))}


def _load_frozen(session: Session, name: str) -> _Frozen | None:
    campaign = session.execute(select(Campaign).where(table_of(Campaign).c.name == name)).scalar_one_or_none()
    if campaign is None or campaign.latest_version_id is None:
        return None
    version = session.get_one(CampaignVersion, campaign.latest_version_id)
    return _Frozen(CampaignDefinition.from_structure(version.structure), load_files(session, campaign.latest_version_id))


def _was_there(
    app: App,
    session: Session,
    draft: Draft,
    frozen: _Frozen | None,
    fault: Problem,
    now: datetime,
    before: dict[str, set[tuple[str, str]]],
) -> bool:
    """The file stands in the published version as it is, and broke the rule there too; ``before`` keeps what that version breaks."""
    if frozen is None or fault.file not in draft.files or frozen.files.get(fault.file) != draft.files[fault.file]:
        return False
    if draft.name not in before:
        texts = check_texts(app, draft.name, frozen.files, frozen.definition.pattern)
        published = Draft(draft.name, frozen.definition, dict(frozen.files), tuple(texts))
        found, _ = _find_faults(app, session, [published], now)
        before[draft.name] = {(each.file, each.rule_id) for each in found}
    return (fault.file, fault.rule_id) in before[draft.name]


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
    """Publish the drafts of a review in which nothing stops them, all or none; otherwise as ``publish_campaigns``.

    Whom it concerns is found on a copy first, so that nobody waits to write while everybody is asked.
    """
    foreseen = _foresee(app, review, now, actor)
    require_figure(foreseen.entering, expect, asks=asks)
    entering = foreseen.entering
    with store.write(app.engine) as session:
        done = [publish(session, draft.name, draft.definition, draft.files, now, actor) for draft in review.drafts]
        for draft, published in zip(review.drafts, done, strict=True):
            if published.is_first and draft.name in foreseen.present:
                members = foreseen.present[draft.name]
                close_to_present_members(session, published.campaign, published.version_id, members, now)
                raise_largest(session, published.campaign, _count_subjects(members))
            if published.is_new and draft.name in review.set_aside:
                rules = ", ".join(sorted({fault.rule_id for fault in review.set_aside[draft.name]}))
                record_change(session, "campaign", published.campaign.id, DESPITE, None, rules, now, actor, Origin.staff)
                events.published_despite(draft.name, published.number, rules)
        if expect is not None:
            entering = confirm_entries(session, PermissionKind.publication, entering, actor, now)
        session.flush()
        session.expunge_all()
    return Publication(done, review.earlier, review.set_aside, foreseen.changes, entering)


def _say_what_holds(app: App, review: Review) -> str:
    """What stays in force, and the way past a rule that is wrong tonight."""
    with store.read(app.engine) as session:
        published = set(session.execute(select(table_of(Campaign).c.name)).scalars())
    kept = sorted(draft.name for draft in review.drafts if draft.name in published)
    said = "nothing was published" + (f"; {', '.join(kept)} as published before goes on being sent" if kept else "")
    rules = [rule for rule in review.can_set_aside if any(fault.rule_id == rule for fault in review.stopping)]
    return said + (f"; where a rule is wrong tonight: {' '.join(f'--despite {rule}' for rule in rules)}" if rules else "")


@dataclass(frozen=True)
class _Foreseen:
    """Whom a publication concerns; ``present``: whoever matches already, by campaigns without backfill that are new."""

    changes: Sequence[VersionChange]
    entering: list[Entering]
    present: Mapping[str, Sequence[Any]]


def _foresee(app: App, review: Review, now: datetime, actor: str) -> _Foreseen:
    present: dict[str, Sequence[Any]] = {}
    left_out = []
    with store.scratch(app.engine, PUBLISHED) as session:
        done = [publish(session, draft.name, draft.definition, draft.files, now, actor) for draft in review.drafts]
        for draft, published in zip(review.drafts, done, strict=True):
            if published.is_first and not draft.definition.backfill:
                entry = make_entry(session, app, published.campaign, published.version_id, draft.definition)
                present[draft.name] = find_present_members(session, entry, now, app.today(now))
                left_out.append(_leave_out(entry, _count_subjects(present[draft.name])))
        changes = [change for each in done if (change := describe_change(session, each))]
        first = {each.campaign.name for each in done if each.is_first}
        names = [each.campaign.name for each in done if each.is_new and each.campaign.name not in present]
        entering = [replace(each, is_first=each.campaign in first) for each in foresee_entries(session, app, now, names)]
    return _Foreseen(changes, left_out + entering, present)


def _count_subjects(members: Sequence[Any]) -> Subjects:
    people = sum(member.subject_kind == RecipientKind.person for member in members)
    return Subjects(people, len(members) - people)


def _leave_out(entry: Entry, number: Subjects) -> Entering:
    """``backfill = false``: whoever matches already at the first publication is left out for good; says how many those are.

    Their number is what later days are compared with, as that of the first day of any other campaign.
    """
    judgement = Judgement(number, Subjects(), entry.rule.bound(Subjects()), is_confirmed=False)
    return Entering(entry.campaign.name, judgement, is_first=True, stays_out=True)


@dataclass(frozen=True)
class Concerned:
    """Readers on one version who are in the series: what of the newest they will not get, and what they get that it lacks."""

    version: int
    readers: int
    will_not_get: tuple[str, ...]
    still_get: tuple[tuple[str, int], ...]
    """Steps that the newest version has no more, with how many have them ahead."""


@dataclass(frozen=True)
class VersionChange:
    """A new version beside the one before it, and whom it concerns. ``rewritten``: steps, with how many get the new words."""

    campaign: str
    version: int
    added: tuple[str, ...]
    removed: tuple[str, ...]
    rewritten: tuple[tuple[str, int], ...]
    concerned: tuple[Concerned, ...]


def describe_change(session: Session, published: Published) -> VersionChange | None:
    """What a version that was just published changes; None for the first of a campaign and where nothing is new."""
    if published.is_first or not published.is_new:
        return None
    version = table_of(CampaignVersion)
    query = select(version.c.id, version.c.number).where(version.c.campaign_id == published.campaign.id).order_by(version.c.number)
    numbers: dict[int, int] = dict(session.execute(query).all())
    before = list(numbers)[-2]
    definitions = load_definitions(session, published.campaign)
    old, new = (_names(definitions[each]) for each in (before, published.version_id))
    standing = load_standing(session, published.campaign.id)
    rewritten = [name for name in new if name in _changed_texts(session, published.campaign.name, before, published.version_id)]
    return VersionChange(
        published.campaign.name,
        published.number,
        tuple(name for name in new if name not in old),
        tuple(name for name in old if name not in new),
        tuple((name, sum(_ahead(definitions, each, name, standing[each]) for each in standing)) for name in rewritten if name in old),
        tuple(
            _concerned(definitions, each, numbers[each], new, readers)
            for each, readers in sorted(standing.items())
            if _names(definitions[each]) != new
        ),
    )


def load_standing(session: Session, campaign_id: int) -> dict[int, dict[str, int]]:
    """Version → step → how many readers have that step next."""
    enrolment = table_of(Enrolment)
    columns = (enrolment.c.version_id, enrolment.c.next_step)
    query = select(*columns, func.count()).where(enrolment.c.campaign_id == campaign_id, is_active(enrolment)).group_by(*columns)
    standing: dict[int, dict[str, int]] = {}
    for version_id, step, readers in session.execute(query):
        standing.setdefault(version_id, {})[step] = readers
    return standing


def count_ahead(session: Session, campaign: Campaign, step: str) -> int:
    """How many who are in the series have this step still ahead of them."""
    definitions = load_definitions(session, campaign)
    standing = load_standing(session, campaign.id)
    return sum(_ahead(definitions, version_id, step, readers) for version_id, readers in standing.items())


def _names(definition: CampaignDefinition) -> list[str]:
    return [step.name for step in definition.steps]


def _ahead(definitions: Mapping[int, CampaignDefinition], version_id: int, step: str, standing: Mapping[str, int]) -> int:
    """How many on a version have this step still ahead of them."""
    names = _names(definitions[version_id])
    if step not in names:
        return 0
    return sum(readers for name, readers in standing.items() if names.index(name) <= names.index(step))


def _concerned(
    definitions: Mapping[int, CampaignDefinition], version_id: int, number: int, new: list[str], standing: Mapping[str, int]
) -> Concerned:
    own = _names(definitions[version_id])
    lacking = ((name, _ahead(definitions, version_id, name, standing)) for name in own if name not in new)
    return Concerned(
        number,
        sum(standing.values()),
        tuple(name for name in new if name not in own),
        tuple((name, readers) for name, readers in lacking if readers),
    )


def _changed_texts(session: Session, campaign: str, before: int, after: int) -> set[str]:
    """Steps of which a text differs between two versions."""
    file, folder = table_of(CampaignFile), f"campaigns/{campaign}/"
    texts: list[dict[str, str]] = []
    for version_id in (before, after):
        query = select(file.c.path, file.c.blob_hash).where(
            file.c.version_id == version_id, file.c.path.startswith(folder, autoescape=True)
        )
        texts.append(dict(session.execute(query).all()))
    changed = {path for path in {**texts[0], **texts[1]} if texts[0].get(path) != texts[1].get(path)}
    names = (parse_text_name(path.removeprefix(folder)) for path in changed)
    return {name.step for name in names if name is not None}
