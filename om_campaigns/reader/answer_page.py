"""Answering a letter on a page: which question stands behind a link, and what an answer does."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import and_, select
from sqlmodel import Session

from om_campaigns import store
from om_campaigns.app import App
from om_campaigns.audience.addresses import find_unsafe, normalise
from om_campaigns.audience.models import Touch
from om_campaigns.audience.vocabulary import Sender
from om_campaigns.campaign.corrections import MARK
from om_campaigns.campaign.models import Campaign, Dispatch
from om_campaigns.columns import table_of
from om_campaigns.compose.frontmatter import AnswerTarget, StepFile, parse_step
from om_campaigns.compose.library import LetterKey, Library
from om_campaigns.compose.links import Door, read_token
from om_campaigns.delivery.rate_limits import hide, take_turn
from om_campaigns.errors import ProblemsError
from om_campaigns.letters.owed_editions import open_library
from om_campaigns.reader.answers import Said, record_answer
from om_campaigns.reader.tokens import Visitor, find_visitor_of

MAX_LINE, MAX_TEXT = 120, 2000
OWN_LABELS = {AnswerTarget.networks: 3, AnswerTarget.contacts_wanted: 1}
"""Lines whose label is the page's own."""

MOST_HOUSES = 60
MOST_A_DAY = 20
"""Answers to one letter (SEC-11): second thoughts fit in, a program that goes on and on does not."""


@dataclass(frozen=True, slots=True)
class Question:
    """What a page asks. ``options``: (value, label) to tick; ``lines``: texts to fill in, each with its label ('' where the page has one:
    networks, and a house that is not among those to tick).
    """

    visitor: Visitor
    campaign_id: int
    campaign: str
    step: str
    language: str
    """That of the words below, which come from the letter."""
    title: str
    text: str
    help: str
    target: str
    options: tuple[tuple[str, str], ...]
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Typed:
    """What came from the form."""

    name: str
    email: str
    chosen: tuple[str, ...]
    texts: tuple[str, ...]


def find_question(app: App, session: Session, token: str, language: str = "") -> Question | None:
    """The question behind the link of a letter; None for every other text, and where the step asks nothing (any more).

    A campaign that was stopped sends no more, but whoever has its letter may still answer.
    """
    parts = read_token(app.keyring, Door.answer, token) or ("", "", "", "")
    ref, organisation, name, step = parts if len(parts) == 4 else ("", "", "", "")
    campaign = table_of(Campaign)
    row = session.execute(
        select(campaign.c.id, campaign.c.mailing_list, campaign.c.latest_version_id).where(
            campaign.c.name == name, campaign.c.latest_version_id.is_not(None)
        )
    ).one_or_none()
    visitor = find_visitor_of(session, ref, organisation, row.mailing_list if row else "")
    if row is None or visitor is None:
        return None
    library = open_library(app, session, counts=False)
    version_id, language = row.latest_version_id, language or visitor.language or app.settings.language
    variant, sender = _letter_sent(session, row.id, step, visitor.address_id)
    key = LetterKey(row.id, version_id, step, variant, language, visitor.organisation_id, sender, 0)
    return _read(library, key, visitor, name)


def _letter_sent(session: Session, campaign_id: int, step: str, address_id: int) -> tuple[str, Sender]:
    """Variant and sender of the latest letter of a step to an address."""
    dispatch, touch = table_of(Dispatch), table_of(Touch)
    same = [dispatch.c[name] == touch.c[name] for name in ("campaign_id", "occasion", "step", "recipient_kind", "recipient_id")]
    query = (
        select(dispatch.c.variant, dispatch.c.sender)
        .join_from(touch, dispatch, and_(*same))
        .where(touch.c.address_id == address_id, touch.c.campaign_id + 0 == campaign_id, touch.c.step == step)
    )
    row = session.execute(query.order_by(dispatch.c.id.desc()).limit(1)).first()
    return (row.variant, row.sender) if row else ("", Sender.om)


def _read(library: Library, key: LetterKey, visitor: Visitor, name: str) -> Question | None:
    files = library.source(key.version_id).files
    stem = f"campaigns/{name}/{key.step}."
    stems = dict.fromkeys((f"{stem}{key.variant}." if key.variant else stem, stem))
    for path in (f"{start}{each}.md" for start in stems for each in (key.language, "de", "en")):
        head, _ = parse_step(files[path], path) if path in files else (None, [])
        if head is None or head.answer is None:
            continue
        asked = head.answer
        options = asked.choices
        if asked.target is AnswerTarget.contacts_wanted:
            options = tuple(library.houses.neighbours(visitor.organisation_id)[:MOST_HOUSES])
        notes = asked.questions or (asked.question,) if asked.target is AnswerTarget.note else ()
        lines = notes or ("",) * OWN_LABELS.get(asked.target, 0)
        title, target, language = _title(library, key, head), asked.target.value, path.rsplit(".", 2)[-2]
        return Question(visitor, key.campaign_id, name, key.step, language, title, asked.question, asked.help, target, options, lines)
    return None


def _title(library: Library, key: LetterKey, head: StepFile) -> str:
    """The subject of the letter, as its house reads it; that of the campaign where it names the reader."""
    if "{" not in head.subject:
        return head.subject
    try:
        subject = library.edition(key).subject
    except ProblemsError:
        return library.source(key.version_id).definition.title
    return "".join(subject.chunks) if not subject.holes else library.source(key.version_id).definition.title


def find_faults(question: Question, typed: Typed) -> list[str]:
    """Names of the fields that are wrong."""
    target = AnswerTarget(question.target)
    if target is AnswerTarget.distributor:
        name_is_good = 0 < len(typed.name) <= MAX_LINE and not find_unsafe(typed.name) and "@" not in typed.name
        return [*([] if name_is_good else ["name"]), *([] if _is_address(typed.email) else ["email"])]
    texts = [text for text in typed.texts if text]
    is_ticked = set(typed.chosen) <= {value for value, _ in question.options}
    most = MAX_TEXT if target is AnswerTarget.note else MAX_LINE
    is_sound = all(len(text) <= most and (target is AnswerTarget.note or not find_unsafe(text)) for text in texts)
    if target is AnswerTarget.interests:
        return [] if is_ticked else ["auswahl"]
    if target is AnswerTarget.contacts_wanted and is_sound:
        return [] if is_ticked and (typed.chosen or texts) else ["auswahl" if question.options else "text-1"]
    return [] if texts and is_sound else ["text-1"]


def _is_address(text: str) -> bool:
    try:
        normalise(text)
    except ValueError:
        return False
    return True


def count_answer(app: App, question: Question, now: datetime) -> bool:
    """Count that somebody answers this letter; False where that was done too often today. Whoever it was forwarded to can do so."""
    subject = hide(app, f"{question.visitor.address_ref} {question.visitor.organisation_ref} {question.campaign}/{question.step}")
    with store.write(app.engine) as session:
        return take_turn(session, "answers", subject, MOST_A_DAY, timedelta(days=1), now)


def answer(app: App, question: Question, typed: Typed, now: datetime) -> bool:
    """Record an answer; False when the very same was given before. ``find_faults`` comes first."""
    target = AnswerTarget(question.target)
    texts = tuple(zip(question.lines, typed.texts, strict=False)) if target is AnswerTarget.note else ()
    chosen, lines = typed.chosen, tuple(dict.fromkeys(" ".join(text.split()) for text in typed.texts if text))
    if target is AnswerTarget.networks:
        chosen = lines
    with store.write(app.engine) as session:
        said = Said(
            campaign_id=question.campaign_id,
            campaign=question.campaign,
            occasion=_latest_occasion(session, question),
            step=question.step,
            organisation_id=question.visitor.organisation_id,
            address_id=question.visitor.address_id,
            target=target,
            day=app.today(now),
            name=" ".join(lines) if target is AnswerTarget.contacts_wanted else typed.name,
            email=normalise(typed.email) if target is AnswerTarget.distributor else None,
            chosen=chosen,
            offered=tuple(value for value, _ in question.options),
            texts=tuple((asked, text) for asked, text in texts if text),
        )
        return record_answer(session, app.keyring, said, now)


def _latest_occasion(session: Session, question: Question) -> str:
    """The occasion of the latest letter with this question to this address; '' where none was handed over. One that was corrected is no
    other occasion."""
    touch = table_of(Touch)
    query = (
        select(touch.c.occasion)
        .where(
            touch.c.campaign_id == question.campaign_id, touch.c.step == question.step, touch.c.address_id == question.visitor.address_id
        )
        .order_by(touch.c.at.desc())
        .limit(1)
    )
    return (session.execute(query).scalar_one_or_none() or "").partition(MARK)[0]
