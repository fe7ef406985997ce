"""What a text may say about a house: the constant values of an edition, read from the audience.

Plain strings, numbers, lists and dicts only: templates see data, never objects (SEC-03).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Any

from sqlalchemy import Select, exists, func, select
from sqlmodel import Session

from om_campaigns.audience.consent import CONSENTS
from om_campaigns.audience.models import Basis, MailingList, Organisation, OrganisationRegion, OrganisationType, Region
from om_campaigns.audience.seats import ADDRESS, HOUSE, PERSON, ROLE, SEAT, select_sitting
from om_campaigns.audience.toolkits import Toolkit, ToolkitVersion
from om_campaigns.audience.tree import upwards
from om_campaigns.audience.vocabulary import (
    LAENDER,
    NATIONWIDE,
    AddressKind,
    BasisKind,
    ForwardPolicy,
    OrganisationStatus,
    PackDelivery,
    Role,
    ToolkitStatus,
)
from om_campaigns.campaign.timing import load_zone
from om_campaigns.columns import table_of
from om_campaigns.compose.models import HouseLook, LogoPicture
from om_campaigns.compose.own_look import KEY, Logo, OwnLook
from om_campaigns.settings import SenderSettings

HELP_PAGE, PRIVACY_PAGE = "wer-hilft", "datenschutz"
"""Paths of the pages of contact lines and on data protection."""

OM_BRAND = "om"
SHELF_LIFE = 28
"""Days a pack is worth passing on where no house says otherwise."""

EXAMPLES = 3
"""How many neighbours a letter names."""

CONTACTS = 4
"""How many people in other houses it introduces."""


@dataclass(frozen=True)
class HouseContact:
    """The person who stands at the end of a letter."""

    name: str
    email: str


class Houses:
    """Houses, regions, toolkits and lists as templates see them on one day, read once per run and kept.

    ``session`` may be replaced while it runs: what was read stays.
    """

    def __init__(self, session: Session, day: date) -> None:
        self.session, self.day = session, day

    @cached_property
    def _organisations(self) -> dict[int, Any]:
        organisation = table_of(Organisation)
        columns = (
            organisation.c.id,
            organisation.c.public_id,
            organisation.c.slug,
            organisation.c.name,
            organisation.c.short_name,
            organisation.c.org_type,
            organisation.c.level,
            organisation.c.parent_id,
            organisation.c.status,
            organisation.c.brand,
            organisation.c.zone,
            organisation.c.pack_delivery,
            organisation.c.forward_policy,
            organisation.c.shelf_life_days,
        )
        return {row.id: row for row in self.session.execute(select(*columns))}

    @cached_property
    def _type_names(self) -> dict[str, str]:
        kind = table_of(OrganisationType)
        return {row.code: row.name for row in self.session.execute(select(kind.c.code, kind.c.name))}

    @cached_property
    def _region_names(self) -> dict[str, str]:
        names = {NATIONWIDE: "Deutschland", **{ags: name for ags, (_, name) in LAENDER.items()}}
        region = table_of(Region)
        names.update({row.ags: row.name for row in self.session.execute(select(region.c.ags, region.c.name))})
        return names

    @cached_property
    def _regions(self) -> dict[int, tuple[str, ...]]:
        found: dict[int, list[str]] = {}
        region = table_of(OrganisationRegion)
        for organisation_id, ags in self.session.execute(select(region.c.organisation_id, region.c.ags).order_by(region.c.ags)):
            found.setdefault(organisation_id, []).append(ags)
        return {key: tuple(value) for key, value in found.items()}

    def organisation(self, organisation_id: int) -> dict[str, Any]:
        """``org`` in a template."""
        row = self._organisations[organisation_id]
        return {
            "name": row.name,
            "short_name": row.short_name or row.name,
            "slug": row.slug,
            "level": str(row.level),
            "type": row.org_type,
            "type_name": self._type_names.get(row.org_type, row.org_type),
        }

    def public_id(self, organisation_id: int) -> str:
        return str(self._organisations[organisation_id].public_id)

    def zone(self, organisation_id: int, default: str) -> str:
        return self._organisations[organisation_id].zone or default

    def today(self, organisation_id: int, now: datetime, default_zone: str) -> date:
        """The civil date where the house is."""
        return now.astimezone(load_zone(self.zone(organisation_id, default_zone))).date()

    def ancestors(self, organisation_id: int) -> list[int]:
        """The house itself, then its parents upwards."""
        return list(upwards(organisation_id, lambda each: self._organisations[each].parent_id))

    def brand(self, organisation_id: int) -> str | OwnLook:
        """The look of the nearest ancestor that has one: what it says itself, else the brand of its file; at last OM's."""
        for each in self.ancestors(organisation_id):
            if found := self._looks.get(each) or self._organisations[each].brand:
                return found if isinstance(found, OwnLook) else str(found)
        return OM_BRAND

    @cached_property
    def _looks(self) -> dict[int, OwnLook]:
        return load_looks(self.session)

    def pack_delivery(self, organisation_id: int) -> PackDelivery:
        """How the house wants packs: its own word, else that of its nearest ancestor that has one."""
        return PackDelivery(self._inherited(organisation_id, "pack_delivery") or PackDelivery.ready_mail)

    def blocks_only(self, organisation_id: int) -> bool:
        """Whether the house passes on the text block of a pack and nothing else of it (domain, ``forward_policy``)."""
        return bool(self._organisations[organisation_id].forward_policy == ForwardPolicy.block_only)

    def last_day(self, organisation_id: int, offered_on: date) -> date:
        """Until when a pack offered on that day is worth passing on; how many days is inherited likewise."""
        return offered_on + timedelta(days=self._inherited(organisation_id, "shelf_life_days") or SHELF_LIFE)

    def _inherited(self, organisation_id: int, name: str) -> Any:
        stated = (getattr(self._organisations[each], name) for each in self.ancestors(organisation_id))
        return next((value for value in stated if value is not None and value != ""), None)

    def region(self, organisation_id: int, language: str, *, with_contacts: bool = False) -> dict[str, Any]:
        """``region`` in a template: the smallest region of the house in which there are neighbours to name (R6).

        ``with_contacts``: only a text that prints them depends on them, so a change of people makes no other edition new.
        """
        ags, partners, strangers = self._around(organisation_id)
        neighbours = [self._organisations[each].name for each in strangers]
        introduced = [self._introductions[each] for each in strangers if each in self._introductions] if with_contacts else []
        return {
            "ags": ags,
            "name": self._region_names.get(ags, "Deutschland"),
            "partner_count": len(partners),
            "neighbours": neighbours,
            "neighbour_examples": join_names(neighbours[:EXAMPLES], language),
            "contacts": introduced[:CONTACTS],
        }

    def neighbours(self, organisation_id: int) -> list[tuple[str, str]]:
        """Slug and name of the houses that ``region`` of this house knows as its neighbours."""
        _, _, strangers = self._around(organisation_id)
        return [(self._organisations[each].slug, self._organisations[each].name) for each in strangers]

    def _around(self, organisation_id: int) -> tuple[str, list[int], list[int]]:
        """Where a house has neighbours to name; the houses there, and those of them not of its own family.

        The smallest of its regions with enough of them, else its Land with those there are; the country only where that has none.
        """
        found: tuple[str, list[int], list[int]] = NATIONWIDE, [], []
        for ags in self._known_ladder(organisation_id):
            if ags == NATIONWIDE and found[2]:
                break
            partners = self._partners_in(ags)
            found = ags, partners, [each for each in partners if not self._is_family(organisation_id, each)]
            if len(found[2]) >= EXAMPLES:
                break
        return found

    def _known_ladder(self, organisation_id: int) -> list[str]:
        """Every region around all of a house that has a name, from small to large."""
        return [each for each in _ladder(self._regions.get(organisation_id, ())) if each in self._region_names]

    def home_region(self, organisation_id: int) -> str:
        """The smallest region around all of a house that has a name, whoever else is there."""
        return self._known_ladder(organisation_id)[0]

    def whole_country(self, language: str) -> dict[str, Any]:
        """``region`` where the reader's house is not known: the country, and nobody by name but houses."""
        partners = self._nationwide
        return {
            "ags": NATIONWIDE,
            "name": "Germany" if language == "en" else "Deutschland",
            "partner_count": len(partners),
            "neighbours": partners,
            "neighbour_examples": join_names(partners[:EXAMPLES], language),
            "contacts": [],
        }

    @cached_property
    def _nationwide(self) -> list[str]:
        """The names of all active houses: every step of the archive asks for them."""
        return [self._organisations[each].name for each in self._partners_in(NATIONWIDE)]

    def _partners_in(self, ags: str) -> list[int]:
        """Active houses of a region by name."""
        found = [
            row
            for row in self._organisations.values()
            if row.status == OrganisationStatus.active
            and (ags == NATIONWIDE or any(region.startswith(ags) for region in self._regions.get(row.id, ())))
        ]
        return [row.id for row in sorted(found, key=lambda row: str(row.name))]

    def _is_family(self, one: int, other: int) -> bool:
        """The house itself, its umbrella or its own office: nobody one has to be introduced to."""
        return one in self.ancestors(other) or other in self.ancestors(one)

    def contact_of(self, organisation_id: int) -> HouseContact | None:
        """The contact of the house, else of its nearest ancestor that has one."""
        return next((found for each in self.ancestors(organisation_id) if (found := self._contacts.get(each))), None)

    @cached_property
    def _introductions(self) -> dict[int, dict[str, str]]:
        """Whom to ask for in a house: who acts for it towards OM, by name. A person's own address is nobody else's to give away;
        that of an office is public, and stands for the house where it is the contact itself.
        """
        basis = table_of(Basis)
        may_be_named = exists().where(
            basis.c.address_id == ADDRESS.c.id,
            basis.c.withdrawn_at.is_(None),
            basis.c.kind.in_((BasisKind.membership_or_service_duty, *CONSENTS)),
        )
        found: dict[int, dict[str, str]] = {}
        for row in self.session.execute(self._select_contacts().where(may_be_named)):
            email = row.address if row.person is None or row.kind is AddressKind.role else ""
            found.setdefault(row.organisation_id, {"house": row.house, "name": row.person or row.house, "email": email})
        return found

    @cached_property
    def _contacts(self) -> dict[int, HouseContact]:
        found: dict[int, HouseContact] = {}
        for row in self.session.execute(self._select_contacts()):
            found.setdefault(row.organisation_id, HouseContact(row.person or row.house, row.address))
        return found

    def _select_contacts(self) -> Select[Any]:
        """The contacts of all houses, of one house in order of preference: people before an office, at home before elsewhere."""
        names = (HOUSE.c.name.label("house"), PERSON.c.full_name.label("person"))
        return (
            select_sitting(self.day, SEAT.c.organisation_id, *names, ADDRESS.c.address, ADDRESS.c.kind)
            .where(SEAT.c.id.in_(select(ROLE.c.seat_id).where(ROLE.c.role == Role.contact)), ADDRESS.c.id.is_not(None))
            .order_by(SEAT.c.person_id.is_(None), SEAT.c.is_primary_home.desc(), SEAT.c.id)
        )

    @cached_property
    def _toolkits(self) -> dict[str, dict[str, Any]]:
        toolkit, version = table_of(Toolkit), table_of(ToolkitVersion)
        query = (
            select(toolkit.c.code, toolkit.c.name, toolkit.c.name_en, toolkit.c.url, version.c.version)
            .join_from(toolkit, version, version.c.toolkit_id == toolkit.c.id)
            .where(version.c.status == ToolkitStatus.current)
            .order_by(version.c.sort_key)
        )
        return {row.code: dict(row._mapping) for row in self.session.execute(query)}

    def toolkits(self, codes: Sequence[str], language: str) -> list[dict[str, Any]]:
        """The current versions of the toolkits a step names; one without a current version is left out."""
        found = [self._toolkits[code] for code in codes if code in self._toolkits]
        return [
            {
                "code": each["code"],
                "name": (each["name_en"] or each["name"]) if language == "en" else each["name"],
                "version": each["version"],
                "url": each["url"],
            }
            for each in found
        ]

    def is_withdrawn(self, code: str) -> bool:
        """No version of this toolkit is current (domain rule 7)."""
        return code not in self._toolkits

    @cached_property
    def _mailing_lists(self) -> dict[str, Any]:
        mailing_list = table_of(MailingList)
        columns = (mailing_list.c.slug, mailing_list.c.name_de, mailing_list.c.name_en)
        return {row.slug: row for row in self.session.execute(select(*columns))}

    def mailing_list_name(self, slug: str, language: str) -> str:
        found = self._mailing_lists.get(slug)
        if found is None:
            return slug
        return str((found.name_en or found.name_de) if language == "en" else found.name_de)


def _ladder(regions: Sequence[str]) -> list[str]:
    """Regions to look for neighbours in, from small to large: the house's own (if it is one), its districts, its Land, the country."""
    specific = [ags for ags in regions if ags != NATIONWIDE]
    if not specific:
        return [NATIONWIDE]
    common = specific[0]
    for other in specific[1:]:
        while not other.startswith(common):
            common = common[:-1]
    steps = [common[:length] for length in (8, 5, 3, 2) if len(common) >= length]
    return [*steps, NATIONWIDE]


def join_names(names: Sequence[str], language: str) -> str:
    """„A, B und C“; '' for nobody."""
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} {'and' if language == 'en' else 'und'} {names[-1]}"


def format_date(day: date, language: str) -> str:
    """A date as a letter writes it: 5. Januar 2027, 5 January 2027."""
    from babel.dates import format_date as babel_date

    return babel_date(day, format="d. MMMM y" if language == "de" else "d MMMM y", locale="de" if language == "de" else "en_GB")


def load_looks(session: Session, public_id: str = "") -> dict[int, OwnLook]:
    """By house (or of one only), what holds: a file that names another brand than it did then has the last word."""
    house, look, picture = table_of(Organisation), table_of(HouseLook), table_of(LogoPicture)
    query = (
        select(house.c.id, house.c.public_id, house.c.name, look, picture.c.width, picture.c.height)
        .join_from(look, house, house.c.id == look.c.organisation_id)
        .outerjoin(picture, picture.c.name == look.c.logo)
        .where(look.c.over == func.coalesce(house.c.brand, ""))
    )
    if public_id:
        query = query.where(house.c.public_id == public_id)
    return {
        row.id: OwnLook(KEY + row.public_id, row.name, row.over, row.accent, Logo(row.logo, row.width, row.height) if row.logo else None)
        for row in session.execute(query)
        if row.accent or row.logo
    }


def om_context(sender: SenderSettings, pages: str) -> dict[str, Any]:
    """``om`` in a template: who OM is and how it is reached. Where no page on data protection is named, it is that among our own."""
    return {
        "name": sender.name,
        "imprint": sender.imprint,
        "imprint_url": sender.imprint_url,
        "privacy_url": sender.privacy_url or f"{pages}/{PRIVACY_PAGE}",
        "contact": {"name": sender.name, "email": sender.reply_to or f"{sender.local_part}@{sender.domain}"},
    }
