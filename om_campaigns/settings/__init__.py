"""One ``config.toml`` per workspace: every setting, its unit and its default.

Unknown keys are refused. ``OM_CAMPAIGNS_SECTION__KEY`` in the environment overrides the file.
Each room receives only its own section; nobody else reads this file or the environment.
"""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError

from om_campaigns.errors import InputError, ProblemsError
from om_campaigns.settings.faults import add_faults
from om_campaigns.store import Mode
from om_campaigns.toml_positions import Findings, load_toml

CONFIG_NAME = "config.toml"
ENVIRONMENT = "OM_CAMPAIGNS_"
THIS_MACHINE = ("127.0.0.1", "::1", "localhost")
"""Hosts to which nothing leaves the machine; compared whole, since ``localhost.evil.example`` is anybody's."""

EVERY_SETTING = "config.example.toml names every setting"


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Tls(StrEnum):
    """How the connection to the mail server is protected (BULK-15, RFC 8314)."""

    starttls = "starttls"
    tls = "tls"
    none = "none"


class DatabaseSettings(_Section):
    url: SecretStr = SecretStr("sqlite:///om-campaigns.db")


class SmtpSettings(_Section):
    """The submission server. Rates are letters per minute, 0 means without limit; ``domains`` overrides for single domains."""

    host: str = ""
    port: int = Field(default=587, ge=1, le=65535)
    tls: Tls = Tls.starttls
    username: str = ""
    password: SecretStr = SecretStr("")
    password_file: Path | None = None
    helo: str = ""
    timeout_seconds: int = Field(default=60, ge=1, le=600)
    connections: int = Field(default=2, ge=1, le=16)
    rate_per_minute: int = Field(default=0, ge=0)
    domain_per_minute: int = Field(default=0, ge=0)
    domains: dict[str, Annotated[int, Field(ge=0)]] = {}

    @model_validator(mode="after")
    def _no_password_in_clear(self) -> SmtpSettings:
        if self.username and self.tls is Tls.none and self.host not in THIS_MACHINE:
            raise ValueError("a password is never sent in clear: set tls to starttls or tls (BULK-15)")
        return self

    def secret(self) -> str:
        """The password, from the file when one is named."""
        if self.password_file is not None:
            return self.password_file.read_text(encoding="utf-8").strip()
        return self.password.get_secret_value()


NO_PAGES = "https://seiten-fehlen.invalid"
"""Stands in links while no base URL is set; live mode refuses to send then (UNS-01)."""


class WebSettings(_Section):
    """Where people outside reach this installation; empty while no pages are served."""

    base_url: str = ""
    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=1, le=65535)

    @field_validator("base_url")
    @classmethod
    def _https(cls, value: str) -> str:
        if not value:
            return ""
        try:
            found = urlsplit(value)
            port, host = found.port, found.hostname or ""
        except ValueError as error:
            raise ValueError(f"it is no address: {error}") from None
        if found.scheme != "https" and not (found.scheme == "http" and host in THIS_MACHINE):
            raise ValueError("it begins with https:// (REN-16)")
        if not host or port == 0 or found.username is not None or found.query or found.fragment or re.search(r"[\s\\]", value):
            raise ValueError("it is a host and at most a path, for example https://briefe.om.example")
        return value.rstrip("/")

    @property
    def pages(self) -> str:
        """The address of our pages; one that leads nowhere while none are served."""
        return self.base_url or NO_PAGES


class SenderSettings(_Section):
    """Who speaks. ``domain`` signs From and return path, ``list_domain`` stands in List-Id (MSG-20)."""

    name: str = "Offensive Mittelstand"
    domain: str = "om-mail.example"
    list_domain: str = "reihen.om-mail.example"
    local_part: str = "redaktion"
    reply_to: str = ""
    imprint: str = ""
    imprint_url: str = ""
    privacy_url: str = ""
    feedback_sender_id: str = "omcampaigns"

    @field_validator("feedback_sender_id")
    @classmethod
    def _fixed_and_short(cls, value: str) -> str:
        if not re.fullmatch("[a-z0-9]{5,15}", value):
            raise ValueError("5 to 15 letters a-z and digits (MSG-22)")
        return value


_POSTAL_CODE = re.compile(r"\b\d{5}\b")


def find_imprint_gap(sender: SenderSettings) -> str:
    """What is missing of the imprint each mail must carry or lead to (LAW-15); '' where nothing is.

    Whether it is right only people can tell. A page behind ``imprint_url`` may say the rest.
    """
    if not sender.imprint.strip():
        return "there is no imprint: every mail must say who sends it, with name and address"
    if sender.imprint_url or (_POSTAL_CODE.search(sender.imprint) and "@" in sender.imprint):
        return ""
    return "the imprint names no postal code or no e-mail address, and no imprint_url leads to the rest"


class CapSettings(_Section):
    """How many touches an address may get in so many local days, the day itself included (domain rule 8)."""

    per_week: int = Field(default=1, ge=1)
    per_month: int = Field(default=4, ge=1)


class EntrySettings(_Section):
    """How many may enter a campaign within 24 hours before somebody is asked: so many, or so many times its largest day."""

    people_a_day: int = Field(default=100, ge=1)
    houses_a_day: int = Field(default=10, ge=1)
    times_largest: int = Field(default=5, ge=1, le=100)


class RetentionSettings(_Section):
    """After how long names, values and addresses inside sent mails, the mails and their rows in the ledger, and mails that came in are
    forgotten (BNC-16).
    """

    slot_days: int = Field(default=180, ge=1)
    letter_months: int = Field(default=24, ge=3)
    mail_days: int = Field(default=60, ge=1, le=90)


class InboxSettings(_Section):
    """Where mail comes in: '' nowhere, ``pipe`` where the mail server calls ``inbox -``, else the path of a Maildir."""

    source: str = ""

    @property
    def takes_mail(self) -> bool:
        return bool(self.source)

    @property
    def maildir(self) -> Path | None:
        return None if self.source in ("", "pipe") else Path(self.source)


class AlarmSettings(_Section):
    """When people are asked to look: more than so many of a hundred readers left within one hour (SEC-10)."""

    leaving_percent: int = Field(default=5, ge=1, le=100)


class PrivacySettings(_Section):
    """What keeps single people out of figures: none about a house is made of fewer (LAW-14); and words for the page on data protection."""

    smallest_group: int = Field(default=10, ge=5, le=1000)
    contact: str = ""
    notes: str = ""
    notes_en: str = ""


class RunSettings(_Section):
    """The scheduler: how often it wakes; the tables, not the clock, decide what is due. And how long stopping may take."""

    every_seconds: int = Field(default=60, ge=5, le=3600)
    stop_seconds: int = Field(default=30, ge=1, le=600)
    ask_after_hours: int = Field(default=120, ge=1, le=8760)


class Settings(BaseSettings):
    """Everything that can be set. Frozen; secrets never show in ``repr``."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_prefix=ENVIRONMENT, env_nested_delimiter="__", nested_model_default_partial_update=True
    )

    format: Literal[1] = 1
    mode: Mode = Mode.rehearsal
    zone: str = "Europe/Berlin"
    language: Literal["de", "en"] = "de"
    rehearsal_to: tuple[str, ...] = ()
    staff: tuple[str, ...] = ()
    database: DatabaseSettings = DatabaseSettings()
    smtp: SmtpSettings = SmtpSettings()
    web: WebSettings = WebSettings()
    sender: SenderSettings = SenderSettings()
    caps: CapSettings = CapSettings()
    entries: EntrySettings = EntrySettings()
    retention: RetentionSettings = RetentionSettings()
    inbox: InboxSettings = InboxSettings()
    alarm: AlarmSettings = AlarmSettings()
    privacy: PrivacySettings = PrivacySettings()
    run: RunSettings = RunSettings()

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError):
            raise ValueError(f"'{value}' is not an IANA time zone, for example Europe/Berlin") from None
        return value

    @property
    def zone_info(self) -> ZoneInfo:
        return ZoneInfo(self.zone)


def load_settings(workspace: Path, **overrides: Any) -> Settings:
    """Read ``config.toml`` of a workspace, then the environment.

    Raises InputError when there is none or it cannot be read, ProblemsError with every fault at its place otherwise.
    """
    values, findings = _read_file(workspace / CONFIG_NAME)

    class _FromWorkspace(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return init_settings, env_settings, InitSettingsSource(settings_cls, init_kwargs=values)

    try:
        return _FromWorkspace(**overrides)
    except ValidationError as error:
        add_faults(error.errors(include_url=False), findings, Settings, ENVIRONMENT)
        raise ProblemsError(findings.in_order(), hint=EVERY_SETTING) from None
    except SettingsError as error:
        raise InputError(f"environment: {error}", hint=f"lists are written as JSON there: {ENVIRONMENT}STAFF='[\"…\"]'") from None


def _read_file(path: Path) -> tuple[dict[str, Any], Findings]:
    if not path.is_file():
        raise InputError(f"{path}: there is no workspace here", hint="make one with 'om-campaigns init', or name it with --workspace")
    try:
        values, findings = load_toml(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: {error}", hint="the file must be valid TOML in UTF-8") from None
    if values is None:
        raise ProblemsError(findings.in_order(), hint=EVERY_SETTING)
    return values, findings
