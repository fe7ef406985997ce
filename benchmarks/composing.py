"""Composing: a letter compiled once and written per recipient, against Jinja + MJML + EmailMessage per recipient.

Both make the same mail, which is checked: about 30 KB of HTML, a text part, personal names and links. Ours includes everything
that a real run does: compiling the edition (shared by its 1,000 recipients), signing the links, filling, writing. The other
side has its template parsed beforehand and signs nothing.

    python -m benchmarks.composing
"""

from __future__ import annotations

import email
import email.policy
import statistics
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from types import SimpleNamespace

from jinja2 import Environment
from mjml import mjml2html

from om_campaigns.compose.edition import Edition, fill
from om_campaigns.compose.escaping import cut_html
from om_campaigns.compose.links import make_links
from om_campaigns.compose.message import Head, Letter, Mailbox
from om_campaigns.compose.slots import Book, Gapped, Landing, SlotUse, cut_text
from om_campaigns.keyring import Keyring

RECIPIENTS = 1_000
OTHERS = 60
"""Mails of the other side per round: it costs milliseconds for each, and each is the same work."""

ROUNDS = 5
NEEDED = 20.0
REQUIREMENT = f"composing ≥ {NEEDED:.0f}× faster than Jinja + MJML + EmailMessage per recipient, {RECIPIENTS:,} recipients per edition"

SUBJECT = "Ein Gedanke für {{ contact.full_name }}"
PARAGRAPH = "Im Betrieb am Ortsrand fehlen zwei Gesellen. Drei Häuser wüssten Rat, keines fragt die anderen – dabei genügt ein Anruf. "
MJML = """<mjml><mj-head><mj-title>Gute Nachbarn</mj-title></mj-head><mj-body>
<mj-section><mj-column><mj-text>{{ contact.greeting }},</mj-text></mj-column></mj-section>
{% for number in range(11) %}<mj-section><mj-column><mj-text font-size="16px" line-height="1.5">{{ paragraph }}{{ paragraph }}</mj-text>
<mj-button href="https://om.example/schritt/{{ number }}">Schritt {{ number }} ansehen</mj-button></mj-column></mj-section>
{% endfor %}<mj-section><mj-column><mj-text>Gesendet an {{ contact.masked_email }}.
<a href="{{ links.unsubscribe }}">Abmelden</a> · <a href="{{ links.web }}">Im Browser lesen</a></mj-text></mj-column></mj-section>
</mj-body></mjml>"""
TEXT = """{{ contact.greeting }},

{% for number in range(11) %}{{ paragraph }}{{ paragraph }}
Schritt {{ number }} ansehen: https://om.example/schritt/{{ number }}

{% endfor %}Gesendet an {{ contact.masked_email }}.
Abmelden: {{ links.unsubscribe }}
Im Browser lesen: {{ links.web }}
"""
ESCAPING, PLAIN = Environment(autoescape=True), Environment()  # the text part has nothing to escape
HTML_TEMPLATE, TEXT_TEMPLATE, SUBJECT_TEMPLATE = ESCAPING.from_string(MJML), PLAIN.from_string(TEXT), PLAIN.from_string(SUBJECT)
KEYS = Keyring("k1", {"k1": b"benchmark" * 4})
DATE = datetime(2027, 1, 5, 8, 0, tzinfo=UTC)
SENDER = "OM für Handwerkskammer Lindenau"


def values_of(number: int) -> dict[str, str]:
    """The slots of one recipient but the links."""
    name = f"Jörg Weiß-{number}"
    return {"contact.full_name": name, "contact.greeting": f"Guten Tag {name}", "contact.masked_email": "j…@hwk.example"}


def names_of(values: Mapping[str, str]) -> dict[str, object]:
    """``contact.full_name`` → ``{"contact": {"full_name": …}}``, as templates see it."""
    names: dict[str, object] = {"paragraph": PARAGRAPH}
    for path, value in values.items():
        root, _, field = path.partition(".")
        setattr(names.setdefault(root, SimpleNamespace()), field, value)
    return names


def make_edition() -> Edition:
    """The templates above, rendered once with marks in place of people."""
    book = Book()
    paths = ("contact.full_name", "contact.greeting", "contact.masked_email", "links.unsubscribe", "links.web")
    names = names_of({path: book.mark(SlotUse(path)) for path in paths})
    document = mjml2html(HTML_TEMPLATE.render(names))
    text, subject = TEXT_TEMPLATE.render(names), SUBJECT_TEMPLATE.render(names)
    uses = tuple(book.uses)
    return Edition(
        "e", "de", uses, cut_text(subject, Landing.header), Gapped(("",), ()), cut_html(document, uses), cut_text(text, Landing.plain)
    )


def write_ours(letter: Letter, edition: Edition, number: int) -> bytes:
    """One mail as the product makes it."""
    values = values_of(number)
    links = make_links("https://om-mail.example", KEYS, f"mfzwizlbonxw{number:04d}", "ojsxg5ldorsw4zzq", "nachbarn")
    head = Head(
        date=DATE,
        message_id=f"<m{number}@om-mail.example>",
        sender=Mailbox("hwk@om-mail.example", SENDER),
        to=Mailbox(f"j.weiss{number}@hwk.example", values["contact.full_name"]),
        list_id=("Gute Nachbarn", "nachbarn.reihen.example"),
        one_click_url=links.one_click,
        bulk=True,
        seed=f"m{number}",
    )
    return letter.write(head, fill(edition, {**values, **links.slots}))


def write_theirs(number: int, links: Mapping[str, str]) -> bytes:
    """The same mail the usual way."""
    names = names_of({**values_of(number), **links})
    message = EmailMessage(policy=email.policy.SMTP)
    message["Date"] = format_datetime(DATE)
    message["From"] = Address(SENDER, "hwk", "om-mail.example")
    message["To"] = Address(f"Jörg Weiß-{number}", f"j.weiss{number}", "hwk.example")
    message["Subject"] = SUBJECT_TEMPLATE.render(names)
    message["Message-ID"] = f"<m{number}@om-mail.example>"
    message["List-Id"] = "Gute Nachbarn <nachbarn.reihen.example>"
    message["Precedence"] = "bulk"
    message.set_content(TEXT_TEMPLATE.render(names), cte="quoted-printable")
    message.add_alternative(mjml2html(HTML_TEMPLATE.render(names)), subtype="html", cte="quoted-printable")
    return message.as_bytes()


def contents(mail: bytes) -> tuple[str, ...]:
    """Subject and both parts as a reader sees them, without line ends at the very end."""
    message = email.message_from_bytes(mail, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    parts = (part.get_content().replace("\r\n", "\n").rstrip("\n") for part in message.iter_parts())
    return (str(message["Subject"]), *parts)


def check_same() -> int:
    """Both ways make the same mail; returns the bytes of its HTML."""
    edition = make_edition()
    links = make_links("https://om-mail.example", KEYS, "mfzwizlbonxw0007", "ojsxg5ldorsw4zzq", "nachbarn").slots
    ours, theirs = contents(write_ours(Letter(edition), edition, 7)), contents(write_theirs(7, links))
    assert ours == theirs, "the two ways must make the same mail"
    return len(ours[2].encode())


def time_ours() -> float:
    """Seconds per mail, the edition included."""
    start = time.perf_counter()
    edition = make_edition()
    letter = Letter(edition)
    for number in range(RECIPIENTS):
        write_ours(letter, edition, number)
    return (time.perf_counter() - start) / RECIPIENTS


def time_theirs() -> float:
    """Seconds per mail."""
    links = {"links.unsubscribe": "https://om-mail.example/abmelden/x", "links.web": "https://om-mail.example/archiv/nachbarn"}
    start = time.perf_counter()
    for number in range(OTHERS):
        write_theirs(number, links)
    return (time.perf_counter() - start) / OTHERS


def measure() -> list[tuple[float, float]]:
    """Seconds per mail (ours, theirs), round by round, the two side by side so that a busy machine slows both."""
    check_same()
    return [(time_ours(), time_theirs()) for _ in range(ROUNDS)]


def run() -> list[tuple[str, float, str]]:
    """Name, median of the ratios, requirement."""
    return [("composing", statistics.median(theirs / ours for ours, theirs in measure()), REQUIREMENT)]


def main() -> None:
    """Print what was measured."""
    size = check_same()
    rounds = measure()
    ours, theirs = (statistics.median(column) for column in zip(*rounds, strict=True))
    ratio = statistics.median(slow / quick for quick, slow in rounds)
    print(f"HTML of {size / 1000:.1f} KB, {RECIPIENTS:,} recipients per edition, medians of {ROUNDS} rounds")
    print(f"  Letter.write, edition and links included  {ours * 1e6:9.0f} µs per mail  {1 / ours:9,.0f} per second")
    print(f"  Jinja + MJML + EmailMessage               {theirs * 1e6:9.0f} µs per mail  {1 / theirs:9,.0f} per second")
    print(f"  ratio {ratio:.0f}× (each round: {', '.join(f'{slow / quick:.0f}×' for quick, slow in rounds)}); needed {NEEDED:.0f}×")


if __name__ == "__main__":
    main()
