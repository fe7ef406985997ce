"""Links that are counted per house, never per reader: one address for all who get the same text through the same house.

``BASE/zu/REF/HOST``: ``REF`` names the link among those that are stored, ``HOST`` only says to people where it leads (FWD-15,
LAW-11). The target stands in the database alone, so nobody can make such an address lead elsewhere (SEC-07). HTML, plain text
and Markdown of one edition carry the same addresses (MSG-11).
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from om_campaigns.columns import digest
from om_campaigns.compose.slots import MARK_START, SAFE_URL

COUNTED_PATH = "zu"
"""First part of the path behind which counted links are followed."""

REF_LENGTH = 20
"""Hex digits, 80 bits."""

_WRITTEN = re.compile(r"\]\((?!mailto:)")
_HREF = re.compile(r"(?<= href=\")([^\"]*)(?=\")")
_SHOWN = re.compile(r"<a [^>]*href=\"([^\"]*)\"[^>]*>\s*(?:https?://|www\.)")
_ADDRESS = re.compile(r"https?://[^\s<>\"]+")
_TRAILING = ".,;:!?)"


@dataclass(frozen=True, slots=True)
class Counting:
    """For whom the links of a text are counted together. ``organisation_id`` 0: all houses too small to have links of their own.

    The readers of one text are those of one published wording (``version_id``), step, variant and language.
    """

    base_url: str
    version_id: int
    step: str
    variant: str
    language: str
    is_pack: bool
    organisation_id: int

    def ref(self, target: str) -> str:
        """The public name of the link to ``target``: the same for all these readers, and for nobody else."""
        scope = (self.version_id, self.step, self.variant, self.language, self.is_pack, self.organisation_id)
        return digest("counted-link", *map(str, scope), target)[:REF_LENGTH]

    def url(self, target: str) -> str:
        """The address that stands in the text instead of ``target``."""
        return f"{self.base_url}/{COUNTED_PATH}/{self.ref(target)}/{host_of(target)}"


def host_of(target: str) -> str:
    """Where a web address leads, as people read it; '' where it names no host."""
    try:
        return urlsplit(target).hostname or ""
    except ValueError:
        return ""


def may_link(*words: str) -> bool:
    """Whether Markdown could hold a link that is counted; what holds none is the same for everybody."""
    return any(_WRITTEN.search(each) for each in words)


def find_countable(body: str) -> list[str]:
    """The web addresses a text links to, each once, in their order.

    An address that is shown as such must lead where it says (REN-16), and one with a slot belongs to one reader: both stay.
    """
    shown = {html.unescape(match) for match in _SHOWN.findall(body)}
    found = dict.fromkeys(html.unescape(match) for match in _HREF.findall(body))
    return [target for target in found if target not in shown and _is_countable(target)]


def _is_countable(target: str) -> bool:
    if MARK_START in target or not target.startswith(("https://", "http://")) or not SAFE_URL.match(target):
        return False
    return host_of(target).replace(".", "").replace("-", "").isalnum() and "@" not in urlsplit(target).netloc


def put_into_html(body: str, urls: Mapping[str, str]) -> str:
    """``body`` with every link to a key of ``urls`` leading to its value instead."""
    return _HREF.sub(lambda match: html.escape(urls.get(html.unescape(match[1]), "")) or match[1], body)


def put_into_text(text: str, urls: Mapping[str, str]) -> str:
    """Plain text or Markdown likewise; an address ends before the punctuation of its sentence."""

    def replaced(match: re.Match[str]) -> str:
        target = match[0]
        while target not in urls and target[-1] in _TRAILING:
            target = target[:-1]
        return urls.get(target, target) + match[0][len(target) :]

    return _ADDRESS.sub(replaced, text)
