"""Acknowledgements (Weitergabe-Quittungen): what a house says about a pack, in a line, a form or a file; recorded once, then its effect."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlmodel import Session, col

from om_campaigns import store
from om_campaigns.app import App
from om_campaigns.audience.access import Acting
from om_campaigns.audience.finding import find_organisation
from om_campaigns.audience.german import fold, read_count
from om_campaigns.audience.intake.files import read_table
from om_campaigns.audience.models import Response
from om_campaigns.audience.responses import Acknowledgement
from om_campaigns.audience.responses import CascadeLevel as CascadeLevel
from om_campaigns.audience.vocabulary import ResponseKind
from om_campaigns.campaign.models import Pack, PackOrganisation
from om_campaigns.campaign.packs import find_codes, without_codes
from om_campaigns.campaign.vocabulary import RelayState
from om_campaigns.columns import digest
from om_campaigns.errors import MOST_SHOWN, InputError
from om_campaigns.letters.relay import WAITING, move
from om_campaigns.nearest import suggest
from om_campaigns.partner.faults import FaultError, FormFault
from om_campaigns.partner.packs import find_pack, move_on

SENTENCE_LENGTH = 500

LEVEL_WORDS: dict[str, CascadeLevel] = {
    **{level.value: level for level in CascadeLevel},
    "zentrale": CascadeLevel.head_office,
    "hauptstelle": CascadeLevel.head_office,
    "land": CascadeLevel.state,
    "landesebene": CascadeLevel.state,
    "landesverband": CascadeLevel.state,
    "landesverbaende": CascadeLevel.state,
    "region": CascadeLevel.regional,
    "regionalstelle": CascadeLevel.regional,
    "regionalstellen": CascadeLevel.regional,
    "geschaeftsstellen": CascadeLevel.regional,
    "berater": CascadeLevel.adviser,
    "beraterinnen": CascadeLevel.adviser,
    "beratende": CascadeLevel.adviser,
    "beratenden": CascadeLevel.adviser,
    "advisers": CascadeLevel.adviser,
    "betrieb": CascadeLevel.business,
    "betriebe": CascadeLevel.business,
    "businesses": CascadeLevel.business,
}
"""How people call the levels; umlauts, case and the rest of the line do not matter."""

PASSED_ON_WORDS = frozenset({"weitergegeben", "weitergeleitet", "verteilt", "forwarded"})
"""Passed on, by whomever, without saying how far it came."""

NO_WORDS = frozenset({"nein", "no", "nicht", "not", "kein", "keine", "keinen", "keinem"})
CLEAR_NO = frozenset({"nein", "no"})
"""As the first word they settle it, unless a level with a number follows."""

NUMBER_WORDS = frozenset(
    {
        *("zwei", "drei", "vier", "fuenf", "sechs", "sieben", "acht", "neun", "zehn", "elf", "zwoelf", "zwanzig", "dreissig", "hundert"),
        *("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "twenty", "thirty", "hundred"),
    }
)
"""A number that is said in words must not get lost; a person writes it in digits."""

_NOT_YET = re.compile(r"\b(noch\s+nicht|noch\s+kein\w*|not\s+yet)\b", re.IGNORECASE)
_MONTHS = "jan|feb|m\u00e4r|mar|apr|mai|may|jun|jul|aug|sep|okt|oct|nov|dez|dec"
_DATE = re.compile(
    rf"\b\d{{1,2}}\.\s*(?:\d{{1,2}}\.(?:\s*\d{{2,4}})?|(?:{_MONTHS})\w*\.?(?:\s+\d{{4}})?)|\b\d{{4}}-\d{{2}}-\d{{2}}\b", re.IGNORECASE
)
_DIGITS = re.compile(r"\d(?:[\d.,\u00a0 ]*\d)?")
_MINUS = re.compile(r"[-–—:,]\s*[-−]\s*\d")
_WORD = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True, slots=True)
class Answer:
    """What is said about a pack. ``level`` None means "not this time", unless ``is_passed_on``: by whomever, and not how far.

    ``house`` names one that the pack serves, by its slug; otherwise it counts for all of them.
    """

    level: CascadeLevel | None = None
    count: int | None = None
    sentence: str = ""
    house: str = ""
    is_passed_on: bool = False


def parse_answer(text: str) -> Answer:
    """``CODE – Regionalstellen – 12``, ``CODE – nein`` or ``CODE – hat eine Kollegin schon weitergegeben``, with any words around.

    Raises InputError for a text with no code or several, and wherever it could be read in two ways: a person decides then,
    because a refusal that is counted as a success would falsify every figure (domain, section 4).
    """
    codes = find_codes(text)
    if len(codes) != 1:
        raise InputError("there is no valid code in this text" if not codes else f"several codes: {', '.join(codes)}")
    rest = without_codes(text)
    words = [fold(word) for word in _WORD.findall(rest)]
    shown, hint = text.strip()[:60], "write CODE – level – number, or CODE – no"
    levels = list(dict.fromkeys(LEVEL_WORDS[word] for word in words if word in LEVEL_WORDS))
    if words and words[0] in CLEAR_NO and not (levels and _read_number(rest, shown, hint)):
        return Answer()
    if _NOT_YET.search(rest):
        raise InputError(f"'{shown}' says not yet", hint="put the pack off with 'pack postpone', or leave it as it is")
    says_no = not NO_WORDS.isdisjoint(words)
    if says_no and levels:
        raise InputError(f"'{shown}' says both how far it came and no", hint=hint)
    if says_no:
        return Answer()
    if not levels and not PASSED_ON_WORDS.isdisjoint(words):
        return Answer(is_passed_on=True)
    if not levels:
        raise InputError(f"'{shown}' names no level", hint=hint)
    return Answer(max(levels, key=list(CascadeLevel).index), _read_number(rest, shown, hint))


def _read_number(rest: str, shown: str, hint: str) -> int | None:
    """The one number of a line; days of the calendar are none. What looks like a number and is none is refused: it would get lost."""
    rest = _DATE.sub(" ", rest)
    nobody = InputError(f"'{shown}' holds a number that cannot be one of people", hint=hint)
    if _MINUS.search(rest):
        raise nobody
    try:
        numbers = {read_count(each) for each in _DIGITS.findall(rest)}
    except ValueError:
        raise nobody from None
    if len(numbers) > 1:
        raise InputError(f"'{shown}' holds several numbers", hint=hint)
    if not numbers and not NUMBER_WORDS.isdisjoint(fold(word) for word in _WORD.findall(rest)):
        raise InputError(f"'{shown}' says a number in words", hint=hint)
    return next(iter(numbers), None)


def read_form(level: str, count: str, sentence: str, house: str, serves: Collection[str]) -> Answer:
    """What a form says: ``level`` is a CascadeLevel or ``no``, ``count`` as people write numbers, ``house`` '' or one the pack ``serves``.

    Raises FaultError.
    """
    if level != "no" and level not in set(CascadeLevel):
        raise FaultError(f"there is no level '{level}'", FormFault("stufe"))
    try:
        number = read_count(count) if count else None
    except ValueError as error:
        raise FaultError(str(error), FormFault("zahl")) from None
    if len(sentence) > SENTENCE_LENGTH:
        raise FaultError(f"a sentence has at most {SENTENCE_LENGTH} characters", FormFault("satz"))
    if house not in ("", *serves):
        raise FaultError(f"the pack does not serve '{house}'", FormFault("haus"))
    sentence = " ".join(sentence.split())
    return Answer(None, None, sentence, house) if level == "no" else Answer(CascadeLevel(level), number, sentence, house)


@dataclass(frozen=True, slots=True)
class Recorded:
    """What was recorded: ``level`` is 'no' where it was declined, '' where none was said; ``state`` is that of the pack by now."""

    code: str
    level: str
    count: int | None
    state: str
    is_new: bool


def acknowledge(app: App, acting: Acting, name: str, answer: Answer, now: datetime) -> Recorded:
    """Record what a house says about a pack (``name`` as ``find_pack`` takes it); the same answer again is known already.

    Raises InputError for a pack that was not offered yet, or a house it does not serve.
    """
    with store.write(app.engine) as session:
        return _record(session, app, find_pack(session, acting, name), answer, now, acting)


def acknowledge_line(
    app: App,
    acting: Acting,
    line: str,
    now: datetime,
    *,
    count: int | None = None,
    sentence: str = "",
    house: str = "",
    is_listed: bool = False,
) -> Recorded:
    """Record what somebody wrote about a pack, with its code (``K7M-2X99 – Regionalstellen – 12``); ``count`` says more than the line.

    An answer that is ``is_listed`` in a file, which says nothing of when, is known where it was ever given.
    Raises InputError as ``acknowledge`` does, and for what cannot be understood.
    """
    with store.write(app.engine) as session:
        pack, answer = find_pack(session, acting, line), parse_answer(line)
        answer = replace(answer, count=answer.count if count is None else count, sentence=sentence, house=house)
        return _record(session, app, pack, answer, now, acting, is_listed=is_listed)


def _record(session: Session, app: App, pack: Pack, answer: Answer, now: datetime, acting: Acting, *, is_listed: bool = False) -> Recorded:
    if answer.is_passed_on:
        is_new = move_on(app, pack, RelayState.forwarded, now)
        return Recorded(pack.code, "", None, RelayState.forwarded.value, is_new)
    is_new = record_answer(session, pack, answer, now, acting, is_listed=is_listed)
    return Recorded(pack.code, answer.level.value if answer.level else "no", answer.count, pack.relay_state.value, is_new)


def record_answer(session: Session, pack: Pack, answer: Answer, now: datetime, acting: Acting, *, is_listed: bool = False) -> bool:
    """Record an answer and move the pack on; False when it is known already: the last word counts, or in a list any word."""
    house_id = find_organisation(session, answer.house) if answer.house else None
    given, said = _load_answers(session, pack, house_id), (answer.level, answer.count, answer.sentence)
    if said in (given if is_listed else given[-1:]):
        return False
    if pack.relay_state is RelayState.planned:
        raise InputError(f"pack {pack.code} has not left yet")
    if house_id is not None and session.get(PackOrganisation, (pack.id, house_id)) is None:
        raise InputError(f"pack {pack.code} does not serve this house", hint="leave it away, and the answer counts for all it serves")
    source_key = digest(pack.public_id, str(house_id or ""), str(len(given)))
    session.add(
        Acknowledgement(
            source_key=source_key,
            pack_id=pack.id,
            organisation_id=house_id,
            is_declined=answer.level is None,
            level=answer.level,
            count=answer.count,
            sentence=answer.sentence,
            at=now,
            origin=acting.origin,
            actor=acting.actor,
        )
    )
    session.add(
        Response(
            kind=ResponseKind.acknowledgement,
            source_key=source_key,
            at=now,
            organisation_id=house_id or pack.organisation_id,
            campaign_id=pack.campaign_id,
            occasion=pack.occasion,
            step=pack.step,
            detail={"level": answer.level.value if answer.level else None, "count": answer.count},
        )
    )
    if answer.level is not None:
        move(pack, RelayState.reported, now)
    elif pack.relay_state in WAITING:
        move(pack, RelayState.skipped, now)
    session.flush()
    return True


def _load_answers(session: Session, pack: Pack, organisation_id: int | None) -> list[tuple[CascadeLevel | None, int | None, str]]:
    """What was said of a pack for these houses so far, in its order. Nobody else says something meanwhile."""
    session.execute(select(col(Pack.id)).where(col(Pack.id) == pack.id).with_for_update())
    answer = (col(Acknowledgement.level), col(Acknowledgement.count), col(Acknowledgement.sentence))
    query = select(*answer).where(
        col(Acknowledgement.pack_id) == pack.id, col(Acknowledgement.organisation_id).is_not_distinct_from(organisation_id)
    )
    return [(level, count, sentence) for level, count, sentence in session.execute(query.order_by(col(Acknowledgement.id)))]


@dataclass
class Answered:
    """What a file of acknowledgements came to. ``rejected``: file, line, reason of the first ``MOST_SHOWN``; ``faults`` counts all."""

    new: int = 0
    known: int = 0
    rejected: list[dict[str, Any]] = field(default_factory=list)
    faults: int = 0


COLUMNS = ("code", "level", "count", "sentence", "house")
GERMAN = {"kennwort": "code", "stufe": "level", "zahl": "count", "anzahl": "count", "satz": "sentence", "haus": "house"}


def import_acknowledgements(app: App, path: Path, now: datetime, acting: Acting) -> Answered:
    """Acknowledgements of a CSV file: code, level (or "no"), count, sentence, house; English or German headings.

    Good rows are recorded, bad ones named with their line; a file that was imported before adds nothing. Raises ProblemsError for a
    file that is no table, InputError for a column nobody knows: a figure must not be dropped unseen.
    """
    table = read_table(path)
    names = [GERMAN.get(name.casefold(), name.casefold()) for name in table.header]
    faults = [
        f"unknown column '{name}'{suggest(name, (*COLUMNS, *GERMAN))}"
        for name, known in zip(table.header, names, strict=True)
        if known not in COLUMNS
    ]
    faults += [] if "code" in names else ["there is no column 'code'"]
    faults += ["a column stands here twice"] if len(set(names)) < len(names) else []
    if faults:
        raise InputError(f"{path}:{table.header_line}: {', '.join(faults)}", hint=f"columns: {', '.join((*COLUMNS, *GERMAN))}")
    result = Answered()
    for row in table.rows:
        values = {name: cell.strip() for name, cell in zip(names, row.cells, strict=False)}
        if not row.fault and not any(values.values()):
            continue
        try:
            if row.fault:
                raise InputError(row.fault)
            count = _read_count(values.get("count", ""))
            line = " – ".join(filter(None, (values.get("code"), values.get("level"))))
            sentence, house = values.get("sentence", ""), values.get("house", "")
            is_new = acknowledge_line(app, acting, line, now, count=count, sentence=sentence, house=house, is_listed=True).is_new
        except InputError as error:
            result.faults += 1
            if len(result.rejected) < MOST_SHOWN:
                result.rejected.append({"file": str(path), "line": row.line, "reason": str(error)})
            continue
        result.new += is_new
        result.known += not is_new
    return result


def _read_count(cell: str) -> int | None:
    try:
        return read_count(cell) if cell else None
    except ValueError as error:
        raise InputError(str(error)) from None
