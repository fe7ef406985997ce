"""The pages behind the links of letters: in whose colours they come, and whether anybody is there."""

from __future__ import annotations

import functools
import re
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from sqlalchemy import select
from sqlmodel import Session

from om_campaigns import store
from om_campaigns.app import App, starter_folder
from om_campaigns.audience.models import Organisation
from om_campaigns.audience.vocabulary import OrganisationStatus
from om_campaigns.columns import digest, dump_json, new_claim, table_of
from om_campaigns.compose.brand import ROOT_BRAND, Brand, load_brand
from om_campaigns.compose.contexts import Houses, load_looks
from om_campaigns.compose.links import read_token
from om_campaigns.compose.own_look import KEY, OwnLook, lay_over
from om_campaigns.errors import ProblemsError
from om_campaigns.keyring import Keyring


@dataclass(frozen=True, slots=True)
class Face:
    """``house`` is '' on pages of OM itself; ``version`` changes with the look, so that browsers may keep the style sheet."""

    om: str
    house: str
    brand: str
    version: str


def load_face(app: App, session: Session | None = None, organisation_id: int | None = None) -> Face:
    """The face of a house, or of OM. A brand that cannot be read is OM's: no page fails for a colour."""
    house, key = "", ROOT_BRAND
    if session is not None and organisation_id is not None:
        houses = Houses(session, app.today(app.now()))
        house, found = houses.organisation(organisation_id)["name"], houses.brand(organisation_id)
        key = found.key if isinstance(found, OwnLook) else found
    brand = load_page_brand(app, key)
    return Face(app.settings.sender.name, house, brand.key, digest(dump_json(brand.as_context()))[:10])


def find_house_name(app: App, slug: str) -> str:
    """The name of an active house; '' where there is none."""
    organisation = table_of(Organisation)
    query = select(organisation.c.name).where(organisation.c.slug == slug, organisation.c.status == OrganisationStatus.active)
    with store.read(app.engine) as session:
        return str(session.execute(query).scalar_one_or_none() or "")


def load_page_brand(app: App, key: str) -> Brand:
    """The brand as it stands in the workspace now; OM's where that is missing or wrong, the starter's where even that is."""
    files = read_brands(app)
    if key.startswith(KEY):
        key, files = _own_look(app, key, files)
    for each in (key, ROOT_BRAND):
        try:
            return load_brand(files, each)
        except ProblemsError:
            continue
    return load_brand(_read(starter_folder() / "templates" / "brands", 0), ROOT_BRAND)


def read_brands(app: App) -> Mapping[str, str]:
    """The brand files of the workspace as they are now."""
    return _read(app.templates / "brands", _changed(app.templates / "brands"))


def _own_look(app: App, key: str, files: Mapping[str, str]) -> tuple[str, Mapping[str, str]]:
    with store.read(app.engine) as session:
        found = load_looks(session, key.removeprefix(KEY) or "-")
    return next((lay_over(files, look, app.settings.web.base_url) for look in found.values()), (ROOT_BRAND, files))


def _changed(folder: Path) -> int:
    return max((path.stat().st_mtime_ns for path in folder.glob("*.toml")), default=0)


@functools.lru_cache(maxsize=8)
def _read(folder: Path, _changed: int) -> Mapping[str, str]:
    return {f"brands/{path.name}": path.read_text(encoding="utf-8", errors="replace") for path in sorted(folder.glob("*.toml"))}


PAGE_SECONDS = 10
RESERVED = ("example", "test", "invalid", "localhost", "example.com", "example.net", "example.org")
"""Domains that never reach anybody (RFC 2606, RFC 6761)."""

NO_POSTAL_CODE = "00000"
"""Stands for one in the starter's imprint."""

_NAMED = re.compile(rf"^[\w-]+$|[\w-]+(?:\.[\w-]+)+|\b{NO_POSTAL_CODE}(?= [^\W\d])")

PROOF = "proof"
"""Audience of the token by which pages show that they hold the keys."""

START = "start 'om-campaigns web' or 'run' with this workspace behind that address"


@dataclass(frozen=True, slots=True)
class PagesFault:
    """Why links would lead nowhere, and what to do about it."""

    text: str
    hint: str


def is_reserved(domain: str) -> bool:
    """Whether a domain can only be an example."""
    domain = domain.rstrip(".").lower()
    return any(domain == each or domain.endswith(f".{each}") for each in RESERVED)


def find_example(value: str) -> str:
    """What of a setting can only be an example: a domain nobody reaches, or the postal code of no place; '' where nothing is."""
    return next((each for each in _NAMED.findall(value) if is_reserved(each) or each == NO_POSTAL_CODE), "")


def find_fault(base_url: str, keyring: Keyring) -> PagesFault | None:
    """Ask for our own pages at the base URL; None when they answer with this workspace's keys, so that its links work there."""
    if not base_url:
        return PagesFault("no base_url: unsubscribe links lead nowhere", "set [web] base_url before 'go-live' (UNS-01)")
    if is_reserved(urlsplit(base_url).hostname or ""):
        return PagesFault(f"{base_url} is an example, nobody reaches it", "set [web] base_url to your own https:// address")
    nonce = new_claim()
    try:
        with urllib.request.urlopen(f"{base_url}/health/{nonce}", timeout=PAGE_SECONDS) as answer:  # noqa: S310  settings allow https:// only
            proof = answer.read(200).decode("ascii", "replace")
    except urllib.error.HTTPError as error:
        return PagesFault(f"{base_url} answers {error.code}, and not as our pages do", START)
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        return PagesFault(f"{base_url} cannot be reached: {reason}", f"{START}; then look at DNS and the certificate")
    if read_token(keyring, PROOF, proof.strip()) != (nonce,):
        return PagesFault(f"other pages than this workspace's answer at {base_url}: its links would not work there", START)
    return None
