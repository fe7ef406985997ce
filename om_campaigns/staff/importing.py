"""What OM's staff do with the audience and the files: import and check. Each use case is one transaction."""

from __future__ import annotations

import getpass
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

from sqlmodel import Session

from om_campaigns import events, store
from om_campaigns.app import App, require_real_clock
from om_campaigns.audience.changes import newest_change, origin_of
from om_campaigns.audience.intake import WRITTEN, find_strays, import_files
from om_campaigns.audience.intake.import_run import BasisGrant
from om_campaigns.audience.intake.import_run import ImportReport as ImportReport  # commands print it
from om_campaigns.audience.segments import Segment, explain, load_segments
from om_campaigns.audience.vocabulary import BasisKind
from om_campaigns.campaign.releases import PUBLISHED, load_campaign_ids
from om_campaigns.campaign.vocabulary import PermissionKind
from om_campaigns.compose.lint import load_tests
from om_campaigns.compose.step_checks import check_looks
from om_campaigns.errors import InputError, OmError, Problem, ProblemsError
from om_campaigns.letters.texts import SHARED, STOCK, campaign_names, read_drafts, read_tree
from om_campaigns.nearest import make_hint
from om_campaigns.settings import CONFIG_NAME, find_imprint_gap
from om_campaigns.staff.entering import Entering, confirm_entries, foresee_entries, require_figure
from om_campaigns.staff.linting import lint_drafts
from om_campaigns.staff.overlay_files import check_overlays, overlay_paths
from om_campaigns.store import Mode


def load_actor() -> str:
    """The login name of whoever runs a command, for the change log."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def import_audience(
    app: App,
    paths: Sequence[Path],
    now: datetime,
    actor: str,
    *,
    is_strict: bool = False,
    is_dry_run: bool = False,
    basis: BasisGrant | None = None,
    expect: int | None = None,
    tell: Callable[[list[Entering]], None] = lambda _: None,
) -> ImportReport:
    """Import these files, or every table of ``audiences/``, in one transaction.

    With ``is_strict`` a single refused row means that nothing is imported; ``report.rejected`` says why. ``tell`` is told who would
    newly enter which campaign, before anything is stored; ``expect`` is how many that are in all, and lets exactly those in. Raises
    what ``import_files`` raises for files that cannot be read at all, and FigureNeededError where the import makes too many enter for
    a day and nobody said how many.
    """
    require_real_clock(app)
    for path in paths:
        if not path.is_file():
            raise InputError(f"{path}: there is no such file", hint="without file names every table of audiences/ is imported")

    def take(session: Session) -> ImportReport:
        before = newest_change(session)
        report = import_files(
            session,
            list(paths) or None,
            app.audiences,
            keyring=app.keyring,
            now=now,
            today=app.today(now),
            actor=actor,
            origin=origin_of(app, paths),
            basis=basis,
            is_trial=is_dry_run,
        )
        if is_strict and report.rejected:
            raise _NothingTakenError(report)
        entering = foresee_entries(session, app, now) if newest_change(session) > before else []
        if not is_dry_run:
            require_figure(_brought(app, entering, now), expect)
            if expect is not None:
                entering = confirm_entries(session, PermissionKind.audience_import, entering, actor, now)
        tell(entering)
        return report

    try:
        if is_dry_run:
            with store.scratch(app.engine, WRITTEN) as session:
                return take(session)
        report = store.write_late(app.engine, take)
    except _NothingTakenError as nothing:
        return nothing.report
    events.audience_imported(report.organisations.new, report.people.new, report.faults)
    return report


def _brought(app: App, entering: list[Entering], now: datetime) -> list[Entering]:
    """Those of whom the import brings more: what was too much before, by the calendar or another import, it need not answer for."""
    if not any(each.needs_figure for each in entering):
        return entering
    with store.read(app.engine) as session:
        before = {each.campaign: each.number.total for each in foresee_entries(session, app, now, [each.campaign for each in entering])}
    return [each if each.number.total > before.get(each.campaign, 0) else replace(each, was_held=True) for each in entering]


def make_grant(kind: str, mailing_list: str, collected_by: str, source: str, obtained_on: date | None, *, today: date) -> BasisGrant:
    """The basis of rows that name none; how and when it was obtained belongs to it (LAW-01). Raises InputError."""
    kinds = [each.value for each in BasisKind if each is not BasisKind.none]
    if kind not in kinds:
        raise InputError(f"'{kind}' is not a basis", hint=f"choose one of {', '.join(kinds)}")
    if not source.strip() or obtained_on is None:
        raise InputError("a basis without proof is none: how and when was it obtained?", hint="add --source and --obtained-on")
    if obtained_on > today:
        raise InputError(
            f"{obtained_on} lies in the future: a basis is recorded when it has been obtained (LAW-01)", hint="mend --obtained-on"
        )
    return BasisGrant(BasisKind(kind), mailing_list, collected_by, source.strip(), obtained_on)


class _NothingTakenError(Exception):
    """Rolls a strict import back."""

    def __init__(self, report: ImportReport) -> None:
        super().__init__()
        self.report = report


@dataclass
class Checked:
    """What ``check`` looked at, and everything wrong with it. ``tested_on``: how old the tests of mail programs are (REN-03)."""

    tables: int = 0
    segments: int = 0
    brands: int = 0
    campaigns: int = 0
    texts: int = 0
    overlays: int = 0
    problems: list[Problem] = field(default_factory=list)
    tested_on: str = field(default_factory=lambda: load_tests().date)

    @property
    def errors(self) -> list[Problem]:
        """What must be mended; the others are warnings."""
        return [each for each in self.problems if not each.is_warning]


def check_workspace(app: App, now: datetime, *, measured: bool = False) -> Checked:
    """Check every file of the workspace: audiences, segments, brands, campaigns and their texts. Changes nothing.

    ``measured``: the width of letters is measured in Chromium too; raises InputError where there is none.
    """
    found = Checked()
    found.tables = sum(1 for path in app.audiences.glob("*") if path.suffix.lower() in (".csv", ".tsv", ".xlsx"))
    with store.scratch(app.engine, (*WRITTEN, *PUBLISHED)) as session:
        _check_audiences(app, session, now, found)
        _check_segments(app, found)
        _check_texts(app, session, now, found, measured=measured)
    if gap := find_imprint_gap(app.settings.sender):
        found.problems.append(Problem((app.workspace / CONFIG_NAME).as_posix(), 0, 0, "LAW-15", gap, app.mode is not Mode.live))
    found.problems = list(dict.fromkeys(found.problems))
    return found


def _check_audiences(app: App, session: Session, now: datetime, found: Checked) -> None:
    """A trial import: later checks see the mailing lists and houses the files would bring."""
    strays = find_strays(app.audiences)
    found.problems += [Problem(path.as_posix(), 0, 0, "audience.stray", f"not read: {text}", is_warning=True) for path, text in strays]
    if not found.tables:
        return
    try:
        report = import_files(
            session, None, app.audiences, keyring=app.keyring, now=now, today=app.today(now), actor="check", is_trial=True
        )
    except OmError as error:
        found.problems += problems_of(error, app.audiences)
        return
    found.problems += [
        Problem((app.audiences / each.file).as_posix(), each.line, each.column, "audience.row", each.reason) for each in report.rejected
    ]
    if more := report.faults - len(report.rejected):
        found.problems.append(Problem(app.audiences.as_posix(), 0, 0, "audience.row", f"and {more:,} more faults in rows of these files"))


def _check_segments(app: App, found: Checked) -> None:
    folder = app.audiences / "segments"
    found.segments = len(list(folder.glob("*.toml")))
    try:
        load_segments(folder)
    except ProblemsError as error:
        found.problems += error.problems


def _check_texts(app: App, session: Session, now: datetime, found: Checked, *, measured: bool) -> None:
    try:
        shared = read_tree(app.templates, *SHARED)
        found.brands = sum(path.startswith("brands/") for path in shared)
        found.campaigns = len(campaign_names(app))
        found.texts = len(list((app.templates / "campaigns").glob("*/*.md")))
        looks = check_looks({**shared, **read_tree(app.templates, STOCK)})
        drafts, problems = read_drafts(app, session)
        letters = [] if any(not each.is_warning for each in looks) else lint_drafts(app, session, drafts, now, measured=measured)
        found.problems += problems + [replace(each, file=(app.templates / each.file).as_posix()) for each in (*looks, *letters)]
        found.overlays = len(overlay_paths(app))
        found.problems += check_overlays(app, session, read_tree(app.templates, "campaigns"))
    except OmError as error:
        found.problems += problems_of(error, app.templates)


def problems_of(error: OmError, where: Path) -> list[Problem]:
    """The problems an error carries; one about ``where`` when it carries none."""
    return list(error.problems) if isinstance(error, ProblemsError) else [Problem(where.as_posix(), 0, 0, "workspace", str(error))]


def load_workspace_segments(app: App) -> dict[str, Segment]:
    """The segments that stand as files, by name. Raises ProblemsError with every problem of every file."""
    return load_segments(app.audiences / "segments")


def get_segment(app: App, name: str) -> Segment:
    """A segment of the workspace by name; raises InputError otherwise."""
    segments = load_workspace_segments(app)
    if name not in segments:
        raise InputError(f"there is no segment '{name}'", hint=make_hint(name, segments, "'om-campaigns segment list' names them"))
    return segments[name]


def explain_segment(app: App, session: Session, segment: Segment, now: datetime) -> dict[str, Any]:
    """A segment's rule taken apart: considered, joint (and, or), matched, and parts with line, column, text, how many each
    matches ``alone`` and together with those before it (``so_far``)."""
    found = explain(session, segment, today=app.today(now), campaigns=load_campaign_ids(session))
    parts = [
        {"line": each.line, "column": each.column, "text": " ".join(each.text.split()), "alone": each.alone, "so_far": each.so_far}
        for each in found.parts
    ]
    return {"considered": found.considered, "joint": found.joint, "matched": found.matched, "parts": parts}
