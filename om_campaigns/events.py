"""What is worth a line in the log: one function per event, a past-tense dotted name, ids as fields.

No addresses, names or bodies above debug level (LAW-21, SEC-19).
"""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import MutableMapping
from datetime import datetime
from pathlib import Path
from typing import Any

import structlog

_log = structlog.get_logger("om_campaigns")


def set_up_logs(*, debug: bool, verbose: bool = False) -> None:
    """Send log lines to stderr: ``key=value`` for people on a terminal, one JSON object a line otherwise.

    Commands show warnings only; ``verbose`` (the scheduler) also what happened, ``debug`` everything.
    """
    level = logging.DEBUG if debug else logging.INFO if verbose else logging.WARNING
    renderer = _render_for_people if sys.stderr.isatty() else structlog.processors.JSONRenderer(ensure_ascii=False)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )


def _render_for_people(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> str:
    trace = event.pop("exception", "")
    head = f"{event.pop('timestamp')} {event.pop('level'):<7} {event.pop('event')}"
    return " ".join([head, *(f"{name}={value}" for name, value in event.items())]) + (f"\n{trace}" if trace else "")


def worker_recovered(worker: int, *, uncertain: int, dropped: int, lost_power: bool) -> None:
    """The claims of a dead worker were settled."""
    _log.info("worker.recovered", worker=worker, uncertain=uncertain, dropped=dropped, lost_power=lost_power)


def claim_lost(message: int, at: str) -> None:
    """A letter was taken over by somebody else while this worker held it; its record was left alone."""
    _log.error("claim.lost", message=message, at=at)


def message_dropped(message: int, reason: str) -> None:
    """Permission was gone at the hand-over; nothing was mailed."""
    _log.info("message.dropped", message=message, reason=reason)


def message_deferred(message: int, code: int | None, stage: str) -> None:
    """The letter is offered again later."""
    _log.info("message.deferred", message=message, code=code, stage=stage)


def message_failed(message: int, code: int | None, stage: str, reason: str) -> None:
    """The letter will not be offered again."""
    _log.warning("message.failed", message=message, code=code, stage=stage, reason=reason)


def errand_failed(fault: BaseException) -> None:
    """Something a page promised to do afterwards broke."""
    _log.error("errand.failed", **_place(fault))


def message_uncertain(message: int, stage: str) -> None:
    """The letter left and no answer came."""
    _log.warning("message.uncertain", message=message, stage=stage)


def message_settled(message: int, *, arrived: bool) -> None:
    """Somebody, or something that came back, says whether an uncertain letter arrived."""
    _log.info("message.settled", message=message, arrived=arrived)


def address_suppressed(address: int, reason: str) -> None:
    """An address is not written to any more."""
    _log.info("address.suppressed", address=address, reason=reason)


def mail_taken(kind: str, mail: str) -> None:
    """A mail that came in had its effect; ``mail`` is the beginning of its hash."""
    _log.info("mail.taken", kind=kind, mail=mail)


def mail_failed(mail: str) -> None:
    """A mail could not be read; it was put aside for people."""
    _log.exception("mail.failed", mail=mail)


def inbox_missing(reason: str) -> None:
    """Where mail comes in cannot be read; sending goes on."""
    _log.error("inbox.missing", reason=reason)


def mass_leaving(scope: str, channel: str, left: int, readers: int) -> None:
    """Many left at once; a task asks people to look."""
    _log.warning("leaving.alarmed", scope=scope, channel=channel, left=left, readers=readers)


def step_not_archived(campaign: str, step: str, reason: str) -> None:
    """A step that was sent is missing in the archive: its text cannot be without its reader. ``check`` said so before."""
    _log.warning("step.not_archived", campaign=campaign, step=step, reason=reason)


def connection_failed(transport: str, trouble: str) -> None:
    """No connection for sending could be made or kept."""
    _log.error("connection.failed", transport=transport, trouble=trouble)


def destination_closed(how: str, destination: str, until: datetime) -> None:
    """A destination (a domain) asked us to slow down, or refuses us; its mail waits until then."""
    _log.warning("destination.closed", how=how, destination=destination, until=until.isoformat(timespec="seconds"))


def campaign_failing(campaign: int, why: str) -> None:
    """A campaign was paused because too many of its letters failed."""
    _log.error("campaign.failing", campaign=campaign, why=why)


def record_delayed(message: int, error: str) -> None:
    """The database did not take an outcome; it is recorded again until it does."""
    _log.warning("record.delayed", message=message, error=error)


def sending_ended(transport: str, *, sent: int, retry: int, failed: int, uncertain: int, ended: str) -> None:
    """One run of the sender is over."""
    _log.info("sending.ended", transport=transport, sent=sent, retry=retry, failed=failed, uncertain=uncertain, ended=ended)


def audience_imported(organisations: int, people: int, rejected: int) -> None:
    """Files were imported; the numbers are of new things and of refused rows."""
    _log.info("audience.imported", organisations=organisations, people=people, rejected=rejected)


def entry_held(campaign: str, *, people: int, houses: int, most_people: int, most_houses: int) -> None:
    """More would enter a campaign within a day than it takes unasked; nobody enters until somebody agrees."""
    _log.error("entry.held", campaign=campaign, people=people, houses=houses, most_people=most_people, most_houses=most_houses)


def entry_released(campaign: str) -> None:
    """A campaign that was held lets people in again: they were admitted, or are few enough now."""
    _log.info("entry.released", campaign=campaign)


def entry_admitted(campaign: str, figure: int, actor: str) -> None:
    """Somebody let those in whom a campaign held."""
    _log.info("entry.admitted", campaign=campaign, figure=figure, actor=actor)


def campaign_status_changed(campaign: int, old: str, new: str) -> None:
    """Somebody paused, resumed or stopped a campaign."""
    _log.info("campaign.status_changed", campaign=campaign, old=old, new=new)


def published_despite(campaign: str, version: int, rules: str) -> None:
    """Somebody published what a rule of the check refuses."""
    _log.warning("campaign.published_despite", campaign=campaign, version=version, rules=rules)


def letters_held(campaign: str, step: str, reason: str, letters: int) -> None:
    """Letters of a step are held back; somebody has to look."""
    _log.warning("letters.held", campaign=campaign, step=step, reason=reason, letters=letters)


def step_skipped(campaign: str, step: str, ahead: int) -> None:
    """Somebody took a step out of a campaign for everybody not yet served."""
    _log.info("campaign.step_skipped", campaign=campaign, step=step, ahead=ahead)


def readers_moved(campaign: str, version: int, readers: int) -> None:
    """Somebody moved those who are in a series to its newest version."""
    _log.info("campaign.readers_moved", campaign=campaign, version=version, readers=readers)


def person_erased(person: int, addresses: int) -> None:
    """A person was made a nameless tombstone."""
    _log.info("person.erased", person=person, addresses=addresses)


def sending_halted(actor: str) -> None:
    """Somebody stopped all sending."""
    _log.info("sending.halted", actor=actor)


def sending_resumed(actor: str) -> None:
    """Somebody ended a halt."""
    _log.info("sending.resumed", actor=actor)


def clock_doubted(why: str) -> None:
    """The clock seems to have jumped; nothing is sent until somebody says that it is right."""
    _log.error("clock.doubted", why=why)


def clock_accepted(actor: str) -> None:
    """Somebody said that the clock is right."""
    _log.warning("clock.accepted", actor=actor)


def went_live(actor: str) -> None:
    """The rehearsal is over: mail leaves the house from now on."""
    _log.info("mode.went_live", actor=actor)


def values_forgotten(values: int, messages: int, dispatches: int) -> None:
    """What is old was deleted, as the retention says: values and addresses of letters, letters, rows of the ledger."""
    _log.info("values.forgotten", values=values, messages=messages, dispatches=dispatches)


def scheduler_started(leader: str, every_seconds: int) -> None:
    """This process leads and wakes the tick from now on."""
    _log.info("scheduler.started", leader=leader, every_seconds=every_seconds)


def scheduler_stopped(leader: str) -> None:
    """This process ended cleanly; nothing of it is on the wire."""
    _log.info("scheduler.stopped", leader=leader)


def tick_done(*, enrolled: int, planned: int, sent: int, retry: int, failed: int, uncertain: int) -> None:
    """One wake-up did something."""
    _log.info("tick.done", enrolled=enrolled, planned=planned, sent=sent, retry=retry, failed=failed, uncertain=uncertain)


def tick_refused(reason: str) -> None:
    """One wake-up could do nothing: a halt, a clock that went backwards, a full disk, a database that is not there."""
    _log.warning("tick.refused", reason=reason)


def tick_failed() -> None:
    """One wake-up broke; the trace belongs to this line. The next one tries again."""
    _log.exception("tick.failed")


def pages_started(host: str, port: int) -> None:
    """The pages answer at this address of the machine."""
    _log.info("pages.started", host=host, port=port)


def pages_stopped() -> None:
    """The pages answer no more."""
    _log.info("pages.stopped")


def pages_missing(reason: str) -> None:
    """Pages are configured, but this process could not serve them; mail goes on as long as somebody else does."""
    _log.warning("pages.missing", reason=reason)


def page_failed(method: str, route: str, fault: BaseException) -> None:
    """A page broke: where, and on what; what was asked and by whom stays untold (LAW-26)."""
    _log.error("page.failed", method=method, route=route, **_place(fault))


def _place(fault: BaseException) -> dict[str, Any]:
    """The kinds of a fault and its causes, and its way through the code. Its words are left out: databases put values into them."""
    kinds = [type(fault).__name__]
    cause = fault.__cause__ or fault.__context__
    while cause is not None and len(kinds) < 5:
        kinds.append(type(cause).__name__)
        cause = cause.__cause__ or cause.__context__
    steps = traceback.extract_tb(fault.__traceback__)
    own = [f"{Path(each.filename).name}:{each.lineno} {each.name}" for each in steps if "om_campaigns" in each.filename]
    return {"fault": " from ".join(kinds), "way": own[-8:]}


def page_served(method: str, route: str, status: int, milliseconds: int) -> None:
    """One answer; ``route`` is the pattern, so that no token is told (LAW-26). Nothing is kept of who asked."""
    (_log.error if status >= 500 or not status else _log.info)("page.served", method=method, route=route, status=status, ms=milliseconds)
