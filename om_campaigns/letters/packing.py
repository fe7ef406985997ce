"""The parts of a pack on the wire: a cover with note and code, a ready mail that is simply forwarded, a mail to a house's own list."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import lru_cache

from sqlalchemy import select
from sqlmodel import Session

from om_campaigns.audience.vocabulary import PackDelivery, Route, Sender
from om_campaigns.campaign.models import Pack, PackOrganisation
from om_campaigns.campaign.vocabulary import RelayState
from om_campaigns.columns import table_of
from om_campaigns.compose.building import find_shown
from om_campaigns.compose.contexts import Houses, format_date, join_names
from om_campaigns.compose.dialect import visible_text
from om_campaigns.compose.edition import Edition, Purpose
from om_campaigns.compose.library import LetterKey, Library
from om_campaigns.compose.message import Attachment
from om_campaigns.compose.models import PackRevision
from om_campaigns.compose.pack import FILE_NAMES, Format, PackText, make_file
from om_campaigns.delivery.models import Part

NOTES = {
    PackDelivery.ready_mail: "content/so-leiten-sie-weiter",
    PackDelivery.attachment: "content/so-leiten-sie-weiter.attachment",
    PackDelivery.portal: "content/so-leiten-sie-weiter.portal",
}
BLOCK_NOTE = "content/so-leiten-sie-weiter.block"
"""What the cover says about passing on, by the way the house wants packs."""

CONTENT_TYPES = {Format.eml: "application/octet-stream", Format.pdf: "application/pdf"}
"""What may hang on a cover: Exchange turns message/rfc822 into an item, so a draft travels as plain bytes (FWD-07)."""

SENTENCES = {
    "de": (
        "Auch für: %s. Dort kennen wir niemanden, dem wir es selbst schicken könnten.",
        "Nur als Textbaustein, nicht als ganzer Brief, für: %s.",
        "Schon mit einem eigenen Paket versorgt: %s.",
    ),
    "en": (
        "Also for: %s. We know nobody there whom we could send it to ourselves.",
        "Only the text block, not the whole letter, is taken by: %s.",
        "Already have a pack of their own: %s.",
    ),
}
"""For offices without anybody to receive (domain rule 2), for those of them with a policy, and for those below that others serve."""

OPEN_STATES = (RelayState.planned, RelayState.offered, RelayState.accepted, RelayState.postponed)
"""A change of text or brand makes a new revision of these; what was passed on stays as it was."""


@dataclass(frozen=True, slots=True)
class PackRow:
    """A pack with the houses whose advisers it serves, and those that relay for them. ``named``: offices that others serve."""

    id: int
    ref: str
    code: str
    dispatch_id: int
    organisation_id: int
    served: tuple[int, ...]
    relays: tuple[int, ...]
    named: tuple[int, ...]


def load_packs(session: Session, dispatch_ids: Iterable[int]) -> dict[int, PackRow]:
    """Packs by the dispatch that carries them."""
    pack, member = table_of(Pack), table_of(PackOrganisation)
    columns = (pack.c.id, pack.c.public_id, pack.c.code, pack.c.dispatch_id, pack.c.organisation_id, pack.c.named)
    rows = session.execute(select(*columns).where(pack.c.dispatch_id.in_(list(dispatch_ids)))).all()
    members: dict[int, list[tuple[int, int]]] = defaultdict(list)
    query = select(member.c.pack_id, member.c.organisation_id, member.c.relay_id).where(member.c.pack_id.in_([row.id for row in rows]))
    for pack_id, served, relay in session.execute(query.order_by(member.c.organisation_id)):
        members[pack_id].append((served, relay))
    return {
        row.dispatch_id: PackRow(
            row.id,
            row.public_id,
            row.code,
            row.dispatch_id,
            row.organisation_id,
            tuple(served for served, _ in members[row.id]),
            tuple(sorted({relay for _, relay in members[row.id]})),
            tuple(row.named),
        )
        for row in rows
    }


@dataclass(frozen=True, slots=True)
class PartPlan:
    """One mail of a pack: what it is made from, and what hangs on it."""

    part: Part
    key: LetterKey
    formats: tuple[Format, ...] = ()


def plan_parts(key: LetterKey, route: Route, houses: Houses) -> list[PartPlan]:
    """Which mails a pack is made of, for the house of ``key``."""
    text = pack_key(key)
    if route is Route.list_address:
        return [PartPlan(Part.mail, text)]
    delivery = houses.pack_delivery(key.organisation_id)
    note = BLOCK_NOTE if route is Route.newsletter_block else NOTES[delivery]
    cover = replace(key, purpose=Purpose.cover, note=note)
    if route is Route.newsletter_block:
        return [PartPlan(Part.cover, cover, (Format.eml,))]
    if delivery is PackDelivery.portal:
        return [PartPlan(Part.cover, cover)]
    if delivery is PackDelivery.attachment:
        return [PartPlan(Part.cover, cover, (Format.eml, Format.pdf))]
    return [PartPlan(Part.cover, cover, (Format.pdf,)), PartPlan(Part.ready, text)]


def pack_key(key: LetterKey) -> LetterKey:
    """The edition that is passed on: in the house's own name and brand, whoever speaks to its contact."""
    return replace(key, purpose=Purpose.pack, sender=Sender.home, note="")


def make_values(pack: PackRow, edition: Edition, houses: Houses, day: date, language: str) -> dict[str, str]:
    """What a cover says of its pack; ``day`` is the local day of the hand-over."""
    others = [each for each in pack.relays if each != pack.organisation_id]
    blocks = [] if houses.blocks_only(pack.organisation_id) else [each for each in others if houses.blocks_only(each)]
    also, only_blocks, already = SENTENCES[language]
    told = [text % names(houses, ids, language) for text, ids in ((also, others), (only_blocks, blocks)) if ids]
    return {
        "pack.ack_code": pack.code,
        "pack.title": title_of(edition),
        "pack.due_date": format_date(houses.last_day(pack.organisation_id, day), language),
        "pack.for_houses": " ".join(told),
        "pack.already_served": " " * bool(told) + already % names(houses, pack.named, language) if pack.named else "",
    }


def names(houses: Houses, ids: Sequence[int], language: str) -> str:
    """„A, B und C“ of houses."""
    return join_names([houses.organisation(each)["name"] for each in ids], language)


def title_of(edition: Edition) -> str:
    """The subject of what is passed on; it has no personal values."""
    return "".join(edition.subject.chunks)


def make_attachments(library: Library, key: LetterKey, formats: Sequence[Format]) -> list[Attachment]:
    """The files of a pack that hang on its cover."""
    text = make_pack_text(library, key)
    return [Attachment(FILE_NAMES[form], CONTENT_TYPES[form], make_kept_file(text, form)) for form in formats]


def make_pack_text(library: Library, key: LetterKey) -> PackText:
    """A pack's edition with the house it speaks for, dated as its text was published: the same for every contact of a house.

    Raises ProblemsError when it cannot be composed.
    """
    house, edition = library.houses.organisation(key.organisation_id), library.edition(key)
    labels, accent = library.pack_style(key)
    return PackText(
        edition,
        title_of(edition),
        house["slug"],
        house["name"],
        library.published_on(key),
        tuple(labels.items()),
        accent,
        tuple(find_shown(library.given(key))),
        "\n".join(visible_text(each.own.text) for each in library.overlay(key).values()),
    )


def require_forwardable(library: Library, key: LetterKey) -> None:
    """Read what would be passed on once more: a ready mail is the draft with a head of its own (FWD-01).

    Raises ProblemsError when something of one reader, a code or a leftover stands in it.
    """
    make_kept_file(make_pack_text(library, key), Format.eml)


@lru_cache(maxsize=64)
def make_kept_file(text: PackText, form: Format) -> bytes:
    """Two contacts of one house, and two tries, need the same bytes; setting a page takes a while."""
    return make_file(text, form)


def record_revisions(session: Session, library: Library, keys: Iterable[tuple[int, LetterKey]], now: datetime) -> int:
    """A new revision for every pack that would say something else than its last one; returns how many. The editions are stored."""
    revision = table_of(PackRevision)
    wanted = {pack_id: library.edition_id(key) for pack_id, key in keys}
    latest: dict[int, tuple[int, str]] = {}
    query = select(revision.c.pack_id, revision.c.number, revision.c.edition_id).where(revision.c.pack_id.in_(list(wanted)))
    for pack_id, number, edition_id in session.execute(query.order_by(revision.c.number)):
        latest[pack_id] = (number, edition_id)
    fresh = {pack_id: edition_id for pack_id, edition_id in wanted.items() if latest.get(pack_id, (0, ""))[1] != edition_id}
    for pack_id, edition_id in fresh.items():
        number = latest.get(pack_id, (0, ""))[0] + 1
        session.add(PackRevision(pack_id=pack_id, number=number, edition_id=edition_id, made_at=now))
    session.flush()
    return len(fresh)
