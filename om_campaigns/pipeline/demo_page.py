"""One HTML page that shows every mail of the demo as its reader would see it: a list and a frame, no script."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from itertools import groupby
from pathlib import Path

from babel.dates import format_date

STYLE = """
:root { color-scheme: light dark; --ink: #22303c; --soft: #55636f; --paper: #fdfdfc; --ground: #efece6; --line: #dcd7cd;
  --accent: #0b5d5e; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e9ec; --soft: #a9b4bd; --paper: #1d2329; --ground: #14191e; --line: #37424c; --accent: #6fc3bf; }
}
* { box-sizing: border-box; }
body { margin: 0; color: var(--ink); background: var(--ground); font: 16px/24px "Segoe UI", Helvetica, Arial, sans-serif; }
header { padding: 20px 24px 16px; background: var(--paper); border-bottom: 1px solid var(--line); border-top: 5px solid var(--accent); }
h1 { margin: 0; font: normal 28px/34px Georgia, "Times New Roman", serif; }
header p { margin: 4px 0 0; color: var(--soft); }
main { display: grid; grid-template-columns: minmax(300px, 26rem) 1fr; height: calc(100vh - 104px); }
nav { overflow-y: auto; padding: 8px 0 24px; background: var(--paper); border-right: 1px solid var(--line); }
h2 { margin: 16px 20px 4px; font-size: 14px; line-height: 20px; letter-spacing: .4px; color: var(--soft); }
ul { list-style: none; margin: 0; padding: 0; }
li a { display: block; padding: 8px 20px; color: inherit; text-decoration: none; border-left: 4px solid transparent; }
li a:hover, li a:focus { background: var(--ground); border-left-color: var(--accent); outline: none; }
li strong { display: block; font-weight: 600; }
li span { color: var(--soft); font-size: 14px; line-height: 20px; }
iframe { width: 100%; height: 100%; border: 0; background: #fff; }
@media (max-width: 720px) { main { grid-template-columns: 1fr; height: auto; } nav { max-height: 50vh; } iframe { height: 90vh; } }
"""


@dataclass(frozen=True)
class Shown:
    """One mail of the demo. ``at`` is local time, ``recipient`` a name."""

    file: str
    at: datetime
    campaign: str
    step: str
    subject: str
    recipient: str
    html: str


def write_pages(folder: Path, mails: Sequence[Shown]) -> Path:
    """Write ``index.html`` and one page per mail below ``mails/``; returns the index's path."""
    pages = folder / "mails"
    pages.mkdir(exist_ok=True)
    for mail in mails:
        (pages / f"{Path(mail.file).stem}.html").write_text(mail.html, encoding="utf-8")
    index = folder / "index.html"
    index.write_text(_index(mails), encoding="utf-8")
    return index.resolve()


def _index(mails: Sequence[Shown]) -> str:
    groups = []
    for day, found in groupby(mails, key=lambda mail: mail.at.date()):
        items = "".join(_item(mail) for mail in found)
        groups.append(f"<h2>{escape(format_date(day, format='EEEE, d. MMMM y', locale='de'))}</h2><ul>{items}</ul>")
    first = f"mails/{Path(mails[0].file).stem}.html" if mails else "about:blank"
    return (
        '<!doctype html><html lang="de"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Demo: {len(mails)} Mails</title><style>{STYLE}</style></head><body>"
        f"<header><h1>Was bei den Leserinnen und Lesern ankommt</h1><p>{len(mails)} Mails aus 120 Tagen der Beispielkampagnen. "
        "Alle Häuser und Personen sind erfunden.</p></header>"
        f'<main><nav aria-label="Mails nach Tagen">{"".join(groups)}</nav>'
        f'<iframe name="mail" src="{first}" title="Die gewählte Mail"></iframe></main></body></html>\n'
    )


def _item(mail: Shown) -> str:
    href = f"mails/{Path(mail.file).stem}.html"
    return (
        f'<li><a href="{escape(href)}" target="mail"><strong>{escape(mail.subject)}</strong>'
        f"<span>{mail.at:%H:%M} Uhr · {escape(mail.campaign)}/{escape(mail.step)}<br>an {escape(mail.recipient)}</span></a></li>"
    )
