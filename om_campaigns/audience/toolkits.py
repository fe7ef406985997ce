"""Toolkits, their versions and who uses them. Versions are ordered as people order them: 2.10 comes after 2.9, and 2 is the same as 2.0.

The key is what stands in ``toolkit_version.sort_key`` and what ``uses('BZ') < '2.1'`` compares with.
"""

from __future__ import annotations

import re
from datetime import date

from sqlalchemy import UniqueConstraint
from sqlmodel import Field, SQLModel

from om_campaigns.audience.vocabulary import (
    ChangeKind,
    ToolkitStatus,
)
from om_campaigns.columns import by_value, key, one_of, reference


class Toolkit(SQLModel, table=True):
    """A check, guide or leaflet; its versions are apart (R20)."""

    __tablename__ = "toolkit"

    id: int = Field(default=None, primary_key=True)
    code: str = key(unique=True)
    name: str
    name_en: str = ""
    url: str = ""


class ToolkitTopic(SQLModel, table=True):
    __tablename__ = "toolkit_topic"

    toolkit_id: int = Field(foreign_key="toolkit.id", primary_key=True)
    topic: str = key(primary_key=True)


class ToolkitVersion(SQLModel, table=True):
    """``sort_key`` orders versions as people do: 2.10 after 2.9."""

    __tablename__ = "toolkit_version"
    __table_args__ = (UniqueConstraint("toolkit_id", "version"), one_of("status", ToolkitStatus), one_of("change_kind", ChangeKind))

    id: int = Field(default=None, primary_key=True)
    toolkit_id: int = Field(sa_column=reference("toolkit.id", index=False))
    version: str = key()
    sort_key: str = key()
    released_on: date | None = None
    status: ToolkitStatus = Field(default=ToolkitStatus.current, sa_type=by_value(ToolkitStatus), nullable=False)
    change_kind: ChangeKind = Field(default=ChangeKind.new, sa_type=by_value(ChangeKind), nullable=False)
    changes: str = ""
    languages: str = key(default="de")


class ToolkitUse(SQLModel, table=True):
    """A house uses a toolkit in some version; one row per house and toolkit."""

    __tablename__ = "toolkit_use"

    organisation_id: int = Field(foreign_key="organisation.id", primary_key=True)
    toolkit_id: int = Field(foreign_key="toolkit.id", primary_key=True)
    version_id: int = Field(sa_column=reference("toolkit_version.id"))
    since: date | None = None
    confirmed_on: date | None = None


DIGITS = 12
"""Width of a number in a key; dates such as 20270304 fit."""

_PART = re.compile(r"\d+|[^\W\d_]+")
_PREFIX = re.compile(r"(?:version|fassung|stand|vers|v)\b[.:\s]*|v(?=\d)")


def version_key(text: str) -> str:
    """A text whose byte order is the order of versions.

    Numbers are padded with zeros, letters follow numbers (2.1 < 2.1a < 2.2), every other character only separates,
    a leading "v", "Version", "Fassung" or "Stand" is left away, and so are zeros at the end (2.0 = 2).
    Raises ValueError, in plain words, if there is no number or letter, or a number of more than 12 digits.
    """
    folded = text.strip().casefold()
    parts = _PART.findall(_PREFIX.sub("", folded, count=1) if _PREFIX.match(folded) else folded)
    if not parts:
        raise ValueError(f"'{text}' is not a version: it has neither a number nor a letter")
    while len(parts) > 1 and parts[-1].isdecimal() and int(parts[-1]) == 0:
        parts.pop()
    return ".".join(_pad(part, text) for part in parts)


def _pad(part: str, text: str) -> str:
    if not part.isdecimal():
        return part
    number = str(int(part)) if len(part) <= 4 * DIGITS else part
    if len(number) > DIGITS:
        raise ValueError(f"'{text}' is not a version: it has a number of more than {DIGITS} digits")
    return number.zfill(DIGITS)
