"""What proves a consent, in full (LAW-05)."""

from __future__ import annotations

from typing import Any

from sqlalchemy import literal, or_, select
from sqlmodel import Session

from om_campaigns.audience.addresses import normalise
from om_campaigns.audience.changes import Change
from om_campaigns.audience.models import Address, Basis, Organisation
from om_campaigns.audience.opt_ins import OptIn
from om_campaigns.columns import digest, table_of
from om_campaigns.errors import InputError


def load_proofs(session: Session, address: str) -> list[dict[str, Any]]:
    """Every subscription that was confirmed for an address, the oldest first. Raises InputError for a text that is none.

    ``withdrawn``: what of it was taken back, when and through which door.
    """
    try:
        normal_key = normalise(address).normal_key
    except ValueError as error:
        raise InputError(str(error)) from None
    opt_in, organisation = table_of(OptIn), table_of(Organisation)
    query = (
        select(opt_in, organisation.c.name.label("house"))
        .outerjoin(organisation, organisation.c.id == opt_in.c.organisation_id)
        .where(opt_in.c.normal_key == normal_key, opt_in.c.confirmed_at.is_not(None))
        .order_by(opt_in.c.asked_at)
    )
    return [
        {
            "address": row.address,
            "name": row.full_name,
            "mailing_lists": row.mailing_lists,
            "organisation": row.house,
            "language": row.language,
            "consent_text": row.consent_text,
            "text_version": digest(row.consent_text)[:12],
            "form_url": row.form_url,
            "asked_at": row.asked_at,
            "mail_sent_at": row.mail_sent_at,
            "mail_id": row.mail_id,
            "mail_hash": row.mail_hash,
            "confirmed_at": row.confirmed_at,
            "withdrawn": _load_withdrawals(session, normal_key, row.ref),
        }
        for row in session.execute(query)
    ]


def _load_withdrawals(session: Session, normal_key: str, proof_ref: str) -> list[dict[str, Any]]:
    basis, address, change = table_of(Basis), table_of(Address), table_of(Change)
    query = (
        select(basis.c.mailing_list, basis.c.withdrawn_at, change.c.actor)
        .join(address, address.c.id == basis.c.address_id)
        .outerjoin(
            change,
            (change.c.entity == "address")
            & (change.c.entity_id == address.c.id)
            & (change.c.field == "suppressed")
            & (change.c.at == basis.c.withdrawn_at)
            & or_(change.c.new == literal("mailing_list ") + basis.c.mailing_list, ~change.c.new.startswith("mailing_list ")),
        )
        .where(address.c.normal_key == normal_key, basis.c.proof_ref == proof_ref, basis.c.withdrawn_at.is_not(None))
        .order_by(basis.c.mailing_list)
        .distinct()
    )
    return [{"mailing_list": row.mailing_list, "at": row.withdrawn_at, "through": row.actor or "staff"} for row in session.execute(query)]
