"""Slots: what belongs to one recipient. A slot is printed, never decided on, and escaped by where it lands.

While an edition is built a slot prints a *mark*, an ASCII word that cannot occur by chance. Afterwards the marks are found
again (``cut_text`` here, ``escaping.cut_html`` for HTML) and become holes, so a mail costs O(slots) and not O(size).
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NoReturn
from urllib.parse import quote

from jinja2.exceptions import TemplateRuntimeError, UndefinedError

from om_campaigns.nearest import suggest

FIELDS: dict[str, frozenset[str]] = {
    "contact": frozenset({"full_name", "first_name", "greeting", "email", "masked_email", "reason", "role"}),
    "links": frozenset({"unsubscribe", "preferences", "web", "pack", "answer"}),
    "pack": frozenset({"ack_code", "title", "due_date", "for_houses", "already_served"}),
}
"""Everything that may differ from one recipient to the next; the list is closed."""

MARK_START = "Zq7s"
MARK = re.compile(r"Zq7s(\d{5})q7Z")

FilterCall = tuple[str, tuple[str | int, ...]]


class Landing(StrEnum):
    """Where a slot stands in the finished mail; it decides how its value is escaped."""

    text = "text"
    attribute = "attribute"
    url = "url"
    url_part = "url_part"
    plain = "plain"
    header = "header"


@dataclass(frozen=True, slots=True)
class SlotUse:
    """One way a slot is printed: its path (``contact.full_name``) and the filters applied, in order."""

    path: str
    filters: tuple[FilterCall, ...] = ()

    @property
    def has_default(self) -> bool:
        """Whether a missing value is covered by the template itself."""
        return any(name in ("default", "d") for name, _ in self.filters)


@dataclass(frozen=True, slots=True)
class Hole:
    """A gap in a text: ``slot`` is an index into the slots of the edition."""

    slot: int
    landing: Landing


@dataclass(frozen=True, slots=True)
class Gapped:
    """Finished text with gaps: ``chunks[0]``, hole 0, ``chunks[1]`` …; there is always one chunk more than holes."""

    chunks: tuple[str, ...]
    holes: tuple[Hole, ...]

    def joined(self, filled: Sequence[str], escape: Callable[[Landing, str], str]) -> str:
        """The whole text; ``filled`` holds one raw value per slot, ``escape`` is told where each lands."""
        parts = [self.chunks[0]]
        for hole, chunk in zip(self.holes, self.chunks[1:], strict=True):
            parts += (escape(hole.landing, filled[hole.slot]), chunk)
        return "".join(parts)


class SlotError(TemplateRuntimeError):
    """A recipient's value was used for more than printing."""


@dataclass(slots=True)
class Book:
    """The slots an edition prints, in the order of their first use."""

    uses: list[SlotUse] = field(default_factory=list)
    index: dict[SlotUse, int] = field(default_factory=dict)
    constants: Mapping[str, str] | None = None
    """For what is passed on: the few fields that are the same for everybody. Any other is personal and raises (FWD-01)."""

    def mark(self, use: SlotUse) -> str:
        """The mark that stands for ``use``; the same use always gets the same mark."""
        number = self.index.get(use)
        if number is None:
            number = self.index[use] = len(self.uses)
            self.uses.append(use)
        return f"{MARK_START}{number:05d}q7Z"

    def roots(self) -> dict[str, Slot]:
        """What templates see under ``contact``, ``links`` and ``pack``."""
        return {name: Slot(self, (name,)) for name in FIELDS}


class Slot:
    """A value nobody knows yet. It prints a mark; everything else raises ``SlotError``."""

    __slots__ = ("book", "filters", "path")

    def __init__(self, book: Book, path: tuple[str, ...], filters: tuple[FilterCall, ...] = ()) -> None:
        self.book, self.path, self.filters = book, path, filters

    def child(self, name: str) -> Slot | str:
        """``contact`` → ``contact.full_name``; an unknown field raises with the nearest known one."""
        if len(self.path) == 1 and name in FIELDS[self.path[0]]:
            path = f"{self.path[0]}.{name}"
            if self.book.constants is None:
                return Slot(self.book, (*self.path, name))
            if path in self.book.constants:
                return self.book.constants[path]
            raise SlotError(f"'{path}' is personal and cannot stand in what a house passes on; '{{{{ contact.greeting }}}}' can (FWD-01)")
        raise UndefinedError(unknown_field(".".join(self.path), name, FIELDS.get(self.path[0], ())))

    def filtered(self, name: str, arguments: tuple[Any, ...], named: dict[str, Any]) -> Slot:
        """The slot with one more filter, checked now so that no mail fails on it later."""
        if name in ("e", "escape", "string"):
            return self
        if name not in SLOT_FILTERS:
            raise SlotError(f"filter '{name}' cannot be used on a recipient's value; possible are {', '.join(sorted(SLOT_FILTERS))}")
        if named or not all(isinstance(argument, (str, int)) and not tainted(argument) for argument in arguments):
            raise SlotError(f"filter '{name}' on a recipient's value takes plain texts or numbers, without names")
        try:
            SLOT_FILTERS[name]("x", *arguments)
        except (TypeError, ValueError) as error:
            raise SlotError(f"filter '{name}' does not take these arguments") from error
        return Slot(self.book, self.path, (*self.filters, (name, arguments)))

    def __html__(self) -> str:
        return str(self)

    def __str__(self) -> str:
        if len(self.path) < 2:
            raise SlotError(f"'{self.path[0]}' cannot be printed itself; name a field: {', '.join(sorted(FIELDS[self.path[0]]))}")
        return self.book.mark(SlotUse(".".join(self.path), self.filters))

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise SlotError(DECISION.format(".".join(self.path)))

    __bool__ = __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __iter__ = __len__ = __contains__ = _refuse
    __add__ = __radd__ = __mul__ = __rmul__ = __mod__ = __getitem__ = __call__ = __int__ = __float__ = _refuse
    __hash__ = _refuse


DECISION = "'{}' differs per recipient: it may be printed, not decided on; use variants (when = …) in campaign.toml"


def unknown_field(owner: str, name: str, known: Sequence[str] | frozenset[str]) -> str:
    """The sentence for a field that does not exist, with the nearest one that does."""
    return f"there is no '{owner}.{name}'{suggest(f'{owner}.{name}', [f'{owner}.{each}' for each in sorted(known)])}"


def tainted(value: object, depth: int = 0) -> bool:
    """Whether a value is a slot or already holds the mark of one."""
    if isinstance(value, Slot):
        return True
    if isinstance(value, str):
        return MARK_START in value
    if depth < 3 and isinstance(value, (list, tuple, set)):
        return any(tainted(item, depth + 1) for item in value)
    if depth < 3 and isinstance(value, dict):
        return any(tainted(item, depth + 1) for item in value.values())
    return False


def shorten(text: str, length: int = 60, *_: object) -> str:
    """At most ``length`` characters, cut at a word, ending in an ellipsis."""
    if not isinstance(length, int) or length < 1:
        raise ValueError("length must be a number above 0")
    if len(text) <= length:
        return text
    head = text[: length - 1]
    return (head.rsplit(" ", 1)[0] if " " in head else head).rstrip() + "…"


def _default(value: str, instead: str | int = "", *_: object) -> str:
    return value or str(instead)


SLOT_FILTERS: dict[str, Callable[..., str]] = {
    "default": _default,
    "d": _default,
    "upper": str.upper,
    "lower": str.lower,
    "capitalize": str.capitalize,
    "trim": lambda value: value.strip(),
    "truncate": shorten,
    "urlencode": lambda value: quote(value, safe=""),
}
"""The closed list of what may be done to a value that differs per recipient."""


def apply_filters(use: SlotUse, value: str) -> str:
    """The value as it is printed for ``use``, before escaping."""
    for name, arguments in use.filters:
        value = SLOT_FILTERS[name](value, *arguments)
    return value


SAFE_URL = re.compile(r"(?:https?://[^\s<>\"\\]+|mailto:[^\s<>\"\\]+)\Z", re.IGNORECASE)
UNSAFE_CHARACTER = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
"""What no value may hold (SEC-01, MSG-14): line ends, control and bidi characters."""


PLAIN_SIGNS = {0x00A0: " ", 0x202F: " ", 0x2011: "-", 0x00AD: None}
"""Blanks and hyphens that only say where a line may break; in plain text, in heads, and in what is copied, they are in the way."""


def escape_for(landing: Landing, value: str) -> str:
    """``value`` as it must stand in the mail. A whole URL that is no http(s) or mailto address raises ValueError (SEC-07)."""
    if landing in (Landing.plain, Landing.header):
        return value if value.isascii() else value.translate(PLAIN_SIGNS)
    if landing is Landing.url and not SAFE_URL.match(value):
        raise ValueError(f"not a web or mail address: {value[:40]!r}")
    if landing is Landing.url_part:
        return quote(value, safe="-._~@")
    return html.escape(value, quote=True)


def cut_text(text: str, landing: Landing) -> Gapped:
    """A text with marks as chunks and holes that all land alike."""
    pieces = MARK.split(text)
    return Gapped(tuple(pieces[::2]), tuple(Hole(int(number), landing) for number in pieces[1::2]))
