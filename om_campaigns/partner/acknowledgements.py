"""Acknowledgements (Weitergabe-Quittungen): what a house says about a pack, read from a line, recorded once, then its effect."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlmodel import Session, col

from om_campaigns.audience.german import fold, read_count
from om_campaigns.audience.models import Response
from om_campaigns.audience.responses import Acknowledgement, CascadeLevel
from om_campaigns.audience.vocabulary import Origin, ResponseKind
from om_campaigns.campaign.models import Pack, PackOrganisation
from om_campaigns.campaign.packs import find_codes, without_codes
from om_campaigns.campaign.vocabulary import RelayState
from om_campaigns.columns import digest
from om_campaigns.errors import InputError
from om_campaigns.letters.relay import WAITING, move

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
    """What a line says: ``level`` None means "not this time"."""

    code: str
    level: CascadeLevel | None
    count: int | None


def parse_answer(text: str) -> Answer:
    """``CODE – Regionalstellen – 12`` or ``CODE – nein``, with any words around.

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
        return Answer(codes[0], None, None)
    if _NOT_YET.search(rest):
        raise InputError(f"'{shown}' says not yet", hint="put the pack off with 'pack postpone', or leave it as it is")
    says_no = not NO_WORDS.isdisjoint(words)
    if says_no and levels:
        raise InputError(f"'{shown}' says both how far it came and no", hint=hint)
    if says_no:
        return Answer(codes[0], None, None)
    if not levels:
        raise InputError(f"'{shown}' names no level", hint=hint)
    return Answer(codes[0], max(levels, key=list(CascadeLevel).index), _read_number(rest, shown, hint))


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


def says_passed_on(text: str) -> bool:
    """``CODE – eine Kollegin hat es schon weitergegeben``: a code, passed on, and no level to record."""
    words = {fold(word) for word in _WORD.findall(text)}
    return len(find_codes(text)) == 1 and bool(words & PASSED_ON_WORDS) and not words & (LEVEL_WORDS.keys() | NO_WORDS)


def find_pack(session: Session, code: str) -> Pack:
    """The pack of a code, in any spelling. Raises InputError for a text that is no code, or one nobody was given."""
    codes = find_codes(code)
    if not codes:
        raise InputError(f"'{code}' is no code", hint="three and four symbols, as in the cover mail; one of them may be mistyped")
    found: Pack | None = session.execute(select(Pack).where(col(Pack.code) == codes[0])).scalar_one_or_none()
    if found is None:
        raise InputError(f"no pack has the code {codes[0]}", hint="see 'om-campaigns pack list'")
    return found


def record_acknowledgement(
    session: Session,
    pack: Pack,
    *,
    level: CascadeLevel | None,
    count: int | None = None,
    sentence: str = "",
    organisation_id: int | None = None,
    at: datetime,
    origin: Origin,
    actor: str,
    is_listed: bool = False,
) -> bool:
    """Record an answer and move the pack on; False when it is known already.

    The last word counts: an answer is known where it was the last one given, and one that is ``is_listed`` in a file, which says
    nothing of when, where it was ever given.

    ``level`` None: not this time. ``organisation_id`` names one house the pack serves; otherwise it counts for all of them.
    Raises InputError for a pack that was not offered yet, or a house it does not serve.
    """
    given = _load_answers(session, pack, organisation_id)
    if (level, count, sentence) in (given if is_listed else given[-1:]):
        return False
    source_key = digest(pack.public_id, str(organisation_id or ""), str(len(given)))
    if pack.relay_state is RelayState.planned:
        raise InputError(f"pack {pack.code} has not left yet")
    if organisation_id is not None and session.get(PackOrganisation, (pack.id, organisation_id)) is None:
        raise InputError(f"pack {pack.code} does not serve this house", hint="leave it away, and the answer counts for all it serves")
    session.add(
        Acknowledgement(
            source_key=source_key,
            pack_id=pack.id,
            organisation_id=organisation_id,
            is_declined=level is None,
            level=level,
            count=count,
            sentence=sentence,
            at=at,
            origin=origin,
            actor=actor,
        )
    )
    session.add(
        Response(
            kind=ResponseKind.acknowledgement,
            source_key=source_key,
            at=at,
            organisation_id=organisation_id or pack.organisation_id,
            campaign_id=pack.campaign_id,
            occasion=pack.occasion,
            step=pack.step,
            detail={"level": level.value if level else None, "count": count},
        )
    )
    if level is not None:
        move(pack, RelayState.reported, at)
    elif pack.relay_state in WAITING:
        move(pack, RelayState.skipped, at)
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
