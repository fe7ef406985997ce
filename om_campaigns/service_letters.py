"""Service mails that people asked for on our pages: what each says, where its button leads, and sending them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial

from sqlmodel import Session

from om_campaigns.app import App
from om_campaigns.audience import opt_ins
from om_campaigns.audience.access import AccessLink
from om_campaigns.audience.addresses import mask
from om_campaigns.audience.models import Address, Organisation
from om_campaigns.compose.contexts import PRIVACY_PAGE, Houses, format_date
from om_campaigns.compose.headers import Mailbox
from om_campaigns.compose.links import Door, make_return_path, make_token
from om_campaigns.compose.message import Head, Letter
from om_campaigns.compose.notices import NoticeInput, make_notice
from om_campaigns.delivery.handover import Prepared
from om_campaigns.delivery.models import Message, Notice, Part
from om_campaigns.delivery.service_mails import Written, send_notices
from om_campaigns.errors import RefusedError
from om_campaigns.gate import pass_gate
from om_campaigns.identity import note_claim
from om_campaigns.letters.pages import load_face, load_page_brand
from om_campaigns.transport import Transport

CONFIRM = "bestaetigen"
"""Door of the mail that asks for a confirmation; its token names the request."""

MANAGE = "verwalten"
"""Door of the mail that opens the preferences; its token holds for ``MANAGE_LIFE`` since it was asked for."""

MANAGE_LIFE = timedelta(days=1)

ENTER, ENTRANCE = "portal/anmelden", "portal-link"
"""Door of the mail that lets somebody into the partner portal, and the audience of its token, which names a link."""

Aim = tuple[str, dict[str, str]]
"""Where the button leads, below the base URL, and the values of the text."""


def send_asked_notices(app: App, transport: Transport | None = None) -> int:
    """Send what people asked for on our pages and is due; returns how many left. In rehearsal it stays in the house, too."""
    return send_notices(
        app.engine,
        clock=app.clock,
        make_transport=lambda: transport or app.transport(),
        write_notice=partial(_write, app),
        sent=_note_sent,
        domain=app.settings.sender.domain,
        lock_folder=app.locks,
        note_claim=partial(note_claim, app),
    )


def send_at_once(app: App) -> None:
    """Somebody is waiting for it. What may not be sent now (a halt, a copied database) is left to the next tick that may."""
    with suppress(RefusedError):
        if pass_gate(app, app.now()):
            send_asked_notices(app)


def _aim_opt_in(app: App, session: Session, notice: Notice) -> Aim | None:
    opt_in = opt_ins.find_opt_in(session, notice.detail["opt_in"], app.now())
    if opt_in is None or opt_in.confirmed_at is not None or opt_ins.has_objected(session, app.keyring, opt_in.normal_key):
        return None
    houses, zone = Houses(session, app.today(app.now())), app.settings.zone_info
    asked = opt_in.asked_at.astimezone(zone)
    names = ", ".join(_quoted(houses.mailing_list_name(slug, notice.language), notice.language) for slug in opt_in.mailing_lists)
    values = {"lists": names, "day": format_date(asked.date(), notice.language), "time": f"{asked:%H:%M}"}
    return f"{CONFIRM}/{make_token(app.keyring, CONFIRM, opt_in.ref)}", values


def _aim_preferences(app: App, session: Session, notice: Notice) -> Aim | None:
    address = session.get(Address, notice.address_id)
    if address is None or address.erased_at is not None or app.now() - notice.made_at > MANAGE_LIFE:
        return None
    house = session.get_one(Organisation, notice.organisation_id)
    minute = str(int(notice.made_at.timestamp() // 60))
    return f"{MANAGE}/{make_token(app.keyring, MANAGE, address.ref, house.public_id, notice.detail['mailing_list'], minute)}", {}


def _aim_portal(app: App, session: Session, notice: Notice) -> Aim | None:
    link = session.get(AccessLink, notice.detail["link"])
    if link is None or link.used_at is not None or link.useful_until <= app.now():
        return None
    until = link.useful_until.astimezone(app.settings.zone_info)
    values = {"day": format_date(until.date(), notice.language), "time": f"{until:%H:%M}"}
    return f"{ENTER}/{make_token(app.keyring, ENTRANCE, link.ref)}", values


def _aim_leave(app: App, session: Session, notice: Notice) -> Aim | None:
    address = session.get(Address, notice.address_id)
    if address is None or address.erased_at is not None:
        return None
    house = session.get_one(Organisation, notice.organisation_id)
    return (
        f"{Door.unsubscribe}/{make_token(app.keyring, Door.unsubscribe, address.ref, house.public_id, notice.detail['mailing_list'])}",
        {},
    )


AIMS: dict[str, Callable[[App, Session, Notice], Aim | None]] = {
    opt_ins.PURPOSE: _aim_opt_in,
    "preferences": _aim_preferences,
    "portal": _aim_portal,
    "leave": _aim_leave,
}
"""Every purpose there is. A text for each stands in ``compose/notices``."""


def _write(app: App, session: Session, notice: Notice, ref: str, message_id: str) -> Written | None:
    aim = AIMS[notice.purpose](app, session, notice)
    if aim is None:
        return None
    path, values = aim
    sender, face = app.settings.sender, load_face(app, session, notice.organisation_id)
    edition = make_notice(
        NoticeInput(
            purpose=notice.purpose,
            language=notice.language,
            url=f"{app.settings.web.pages}/{path}",
            address=mask(notice.address),
            om=face.om,
            house=face.house,
            brand=load_page_brand(app, face.brand),
            imprint=sender.imprint,
            imprint_url=sender.imprint_url,
            privacy_url=sender.privacy_url or f"{app.settings.web.pages}/{PRIVACY_PAGE}",
            values=values,
        )
    )
    letter, own = Letter(edition), f"{sender.local_part}@{sender.domain}"

    def write(at: datetime) -> bytes:
        head = Head(
            date=at,
            message_id=message_id,
            sender=Mailbox(own, sender.name),
            to=Mailbox(notice_address),
            seed=ref,
            reply_to=Mailbox(sender.reply_to, sender.name) if sender.reply_to not in ("", own) else None,
            auto_generated=True,
        )
        return letter.write(head, ())

    notice_address = notice.address
    prepared = Prepared(
        dispatch_ids=(),
        part=Part.mail,
        campaign_id=0,
        address_id=notice.address_id or 0,
        ref=ref,
        message_id=message_id,
        envelope_from=make_return_path(app.keyring, ref, sender.domain),
        envelope_to=notice_address,
        edition_id=edition.id,
        slot_values={},
        needs_smtputf8=not notice_address.isascii(),
        zone=app.settings.zone,
        ideas="",
        items="",
        write=write,
    )
    return Written(prepared, hashlib.sha256(letter.body(ref)).hexdigest())


def _note_sent(session: Session, notice: Notice, message: Message, body_hash: str) -> None:
    if notice.purpose == opt_ins.PURPOSE:
        opt_ins.note_mail(session, notice.detail["opt_in"], message.message_id, body_hash, message.sent_at or message.claimed_at)


def _quoted(name: str, language: str) -> str:
    return f"“{name}”" if language == "en" else f"„{name}“"
