"""The demo: the starter workspace walked through 120 days by the real pipeline, over real SMTP, on a virtual clock."""

from __future__ import annotations

import shutil
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import default as modern
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from sqlalchemy import func, select
from sqlmodel import col

from om_campaigns import store
from om_campaigns.app import App
from om_campaigns.audience.models import Organisation, Person
from om_campaigns.audience.vocabulary import PersonStatus
from om_campaigns.campaign.models import Campaign, Dispatch, Enrolment, Pack
from om_campaigns.campaign.vocabulary import DispatchStatus, EnrolmentState, Reason, RelayState
from om_campaigns.columns import table_of
from om_campaigns.delivery.models import Message, MessageState
from om_campaigns.errors import RefusedError
from om_campaigns.operate.demo_page import Shown, View, write_pages
from om_campaigns.operate.installation import init_workspace
from om_campaigns.partner.acknowledgements import Answer, CascadeLevel, acknowledge
from om_campaigns.partner.packs import Acting, write_pack
from om_campaigns.settings import SmtpSettings, Tls
from om_campaigns.staff.entering import FigureNeededError, count_entering
from om_campaigns.staff.importing import check_workspace, import_audience
from om_campaigns.staff.overlay_files import import_overlays
from om_campaigns.staff.publishing import publish_campaigns
from om_campaigns.staff.show_packs import load_packs
from om_campaigns.tick import tick
from om_campaigns.transport import Transport
from om_campaigns.wiring import make_smtp_transport, open_app

MARK = ".om-demo"
READY = "weiterleiten"
"""How the files of ready mails are called: they carry no Feedback-ID."""

SENTENCES = {
    "b2": "Zwei Kolleginnen haben noch am selben Tag das Nachbarhaus angerufen.",
    "b5": "Ein Betrieb ist von Stufe 1 auf Stufe 2.",
    "a4": "Die beiden Sätze hängen jetzt im Besprechungsraum.",
}
"""What some partners of the demo add to their acknowledgement."""

START = datetime(2027, 1, 4, 8, 0, tzinfo=UTC)
DAYS = 120


@dataclass
class DemoCampaign:
    """One campaign after the walk: letters by route, and the mails they were; a pack is one letter and up to two mails."""

    campaign: str
    steps: int
    routes: Counter[str] = field(default_factory=Counter)
    mails: int = 0
    finished: int = 0
    skipped: Counter[Reason] = field(default_factory=Counter)


@dataclass
class DemoResult:
    """What the walk left behind; paths are absolute."""

    folder: Path
    until: datetime
    organisations: int = 0
    people: int = 0
    campaigns: list[DemoCampaign] = field(default_factory=list)
    index: Path = Path()
    mails: int = 0
    packs: int = 0

    @property
    def skipped(self) -> Counter[Reason]:
        return sum((each.skipped for each in self.campaigns), Counter())

    @property
    def by_route(self) -> Counter[str]:
        return sum((each.routes for each in self.campaigns), Counter())


class Catcher:
    """An SMTP server on loopback that keeps every mail as a file, named by its date, campaign, step and reference."""

    def __init__(self, outbox: Path) -> None:
        self._outbox = outbox
        self._lock = threading.Lock()

    async def handle_DATA(self, _server: object, _session: object, envelope: Any) -> str:  # noqa: N802  aiosmtpd's name
        content: bytes = envelope.content
        head = message_from_bytes(content.split(b"\r\n\r\n", 1)[0] + b"\r\n\r\n", policy=modern)
        letter = str(head["Feedback-ID"]).split(":")[0] if head["Feedback-ID"] else READY
        when = head["Date"].datetime.astimezone(UTC)
        ref = str(head["Message-ID"]).strip("<>").partition("@")[0]
        path = self._outbox / f"{when:%Y-%m-%d-%H%M}-{letter}-{ref}.eml"
        with self._lock:
            path.write_bytes(content)
        return "250 2.0.0 kept"


class LoopbackServer(Controller):
    """aiosmtpd on a port the system chooses; its own start-up check knows only a port chosen before."""

    def _trigger_server(self) -> None:
        server: Any = self.server
        self.port = server.sockets[0].getsockname()[1]
        super()._trigger_server()  # type: ignore[no-untyped-call]


class VirtualClock:
    """A clock that is set by hand."""

    def __init__(self, start: datetime) -> None:
        self.now = start

    def __call__(self) -> datetime:
        return self.now


def run_demo(folder: Path, progress: Callable[[int, int], None]) -> DemoResult:
    """Build the demo in ``folder`` (again, if a demo made it) and walk it; ``progress(day, days)`` is told of each day.

    Raises RefusedError for a folder that holds something else.
    """
    _make_room(folder)
    init_workspace(folder)
    (folder / MARK).write_text("made by 'om-campaigns demo', which may delete this folder\n", encoding="utf-8")
    outbox = folder / "outbox"
    outbox.mkdir(exist_ok=True)
    (folder / "packs").mkdir(exist_ok=True)
    controller = LoopbackServer(Catcher(outbox), hostname="127.0.0.1", port=0)
    controller.start()
    try:
        clock = VirtualClock(START)
        app = open_app(folder, clock=clock, rehearsal_transport=lambda: _to_catcher(controller))
        import_audience(app, [], START, "demo", is_strict=True)
        problems = check_workspace(app, START).errors
        if problems:
            raise RefusedError("\n".join(map(str, problems)), hint="the starter workspace must be free of problems")
        publish_all(app)
        import_overlays(app, [], START, "demo")
        _walk(app, clock, progress)
    finally:
        controller.stop()
    result = _account(app, folder, clock.now)
    result.packs = _write_packs(app, folder / "packs", clock.now)
    shown = _shown(app, outbox)
    result.mails = len(shown)
    with store.read(app.engine) as session:
        packs = load_packs(session)
        names = dict(session.execute(select(col(Organisation.slug), col(Organisation.name))).all())
    result.index = write_pages(folder, shown, packs, names)
    app.engine.dispose()
    return result


def publish_all(app: App) -> None:
    """Publish every campaign, as 'campaign publish --expect' does after the first look said how many would enter."""
    try:
        publish_campaigns(app, [], START, "demo")
    except FigureNeededError as needed:
        publish_campaigns(app, [], START, "demo", expect=count_entering(needed.entering))


def _make_room(folder: Path) -> None:
    if folder.is_dir() and any(folder.iterdir()):
        if not (folder / MARK).is_file():
            raise RefusedError(f"{folder} is not a demo folder and not empty", hint="choose another with 'om-campaigns demo DIR'")
        shutil.rmtree(folder)


def _to_catcher(controller: LoopbackServer) -> Transport:
    return make_smtp_transport(SmtpSettings(host="127.0.0.1", port=controller.port, tls=Tls.none))


def _walk(app: App, clock: VirtualClock, progress: Callable[[int, int], None]) -> None:
    """A tick whenever something becomes due, and at least once a week: as 'run' would, without the waiting."""
    end = START + timedelta(days=DAYS)
    while clock.now < end:
        tick(app, clock.now)
        progress((clock.now - START).days, DAYS)
        clock.now = min(_next_instant(app, clock.now), end)
        answer_packs(app, clock.now)
    tick(app, clock.now)
    progress(DAYS, DAYS)


def answer_packs(app: App, now: datetime) -> None:
    """The partners of the demo answer as real ones do: some at once with a number, some late, some with a "no", some never."""
    waiting = (RelayState.offered, RelayState.postponed)
    with store.read(app.engine) as session:
        packs = session.execute(select(Pack).where(col(Pack.relay_state).in_(waiting))).scalars().all()
        offered = [(pack.code, pack.organisation_id, pack.step, pack.state_at) for pack in packs]
    for code, house, step, at in offered:
        habit, days = house % 5, (now - at).days
        if habit in (0, 1) and days >= 2:
            answer = Answer(CascadeLevel.adviser, 5 + house % 7 * 4, SENTENCES.get(step, ""))
        elif habit == 2 and days >= 6:
            answer = Answer(CascadeLevel.regional, 1 + house % 3)
        elif habit == 3 and days >= 3:
            answer = Answer()
        else:
            continue
        acknowledge(app, Acting("demo"), code, answer, now)


def _write_packs(app: App, folder: Path, now: datetime) -> int:
    """The files of each house's first pack; returns how many packs there are in all."""
    with store.read(app.engine) as session:
        rows = load_packs(session)
    first = {row["house"]: row for row in reversed(rows)}
    for house, row in sorted(first.items()):
        write_pack(app, row["code"], folder / house / row["step"], now)
    return len(rows)


def _next_instant(app: App, now: datetime) -> datetime:
    enrolment, dispatch = table_of(Enrolment), table_of(Dispatch)
    instants: list[datetime] = [now + timedelta(days=7)]
    with store.read(app.engine) as session:
        due = [
            session.execute(
                select(func.min(enrolment.c.next_due_at)).where(enrolment.c.state == EnrolmentState.active, enrolment.c.next_due_at > now)
            ).scalar(),
            session.execute(
                select(func.min(dispatch.c.due_at)).where(
                    dispatch.c.status.in_((DispatchStatus.planned, DispatchStatus.retry)), dispatch.c.due_at > now
                )
            ).scalar(),
        ]
    instants += [each for each in due if each is not None]
    return min(instants)


def _account(app: App, folder: Path, until: datetime) -> DemoResult:
    result = DemoResult(folder.resolve(), until)
    campaign, dispatch, enrolment, message, person = (table_of(each) for each in (Campaign, Dispatch, Enrolment, Message, Person))
    with store.read(app.engine) as session:
        result.organisations = session.execute(select(func.count()).select_from(table_of(Organisation))).scalar_one()
        result.people = session.execute(select(func.count()).where(person.c.status != PersonStatus.erased)).scalar_one()
        for campaign_id, name in session.execute(select(campaign.c.id, campaign.c.name).order_by(campaign.c.name)).all():
            mine = DemoCampaign(name, 0)
            rows = session.execute(
                select(dispatch.c.step, dispatch.c.route, dispatch.c.status, dispatch.c.reason, func.count())
                .where(dispatch.c.campaign_id == campaign_id)
                .group_by(dispatch.c.step, dispatch.c.route, dispatch.c.status, dispatch.c.reason)
            ).all()
            mine.steps = len({row.step for row in rows})
            for _, route, status, reason, number in rows:
                if status == DispatchStatus.sent:
                    mine.routes[str(route)] += number
                else:
                    mine.skipped[Reason(reason)] += number
            mine.mails = session.execute(
                select(func.count()).where(message.c.campaign_id == campaign_id, message.c.state == MessageState.sent)
            ).scalar_one()
            mine.finished = session.execute(
                select(func.count()).where(enrolment.c.campaign_id == campaign_id, enrolment.c.state == EnrolmentState.finished)
            ).scalar_one()
            result.campaigns.append(mine)
    return result


def _view(message: Any) -> View:
    """Whose desk a mail lies on: advisers get what a house speaks, contacts what OM says to them and what they pass on."""
    if message["Feedback-ID"] is None:
        return View.adviser
    return View.adviser if "OM für" in str(message["From"]) else View.contact


def _shown(app: App, outbox: Path) -> list[Shown]:
    """Every mail as its reader sees it, in order of time."""
    shown = []
    for path in sorted(outbox.glob("*.eml")):
        message: Any = message_from_bytes(path.read_bytes(), policy=modern)
        campaign, _, step = str(message["Feedback-ID"] or f"{READY}.").split(":")[0].rpartition(".")
        shown.append(
            Shown(
                file=path.name,
                at=message["Date"].datetime.astimezone(app.settings.zone_info),
                campaign=campaign,
                step=step,
                subject=str(message["Subject"]),
                recipient=message["To"].addresses[0].display_name or message["To"].addresses[0].addr_spec,
                html=message.get_body(("html",)).get_content(),
                view=_view(message),
                files=tuple(part.get_filename() for part in message.iter_attachments()),
            )
        )
    return shown
