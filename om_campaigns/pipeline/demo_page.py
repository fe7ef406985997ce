"""The pages of the demo: three desks (staff, partners' contacts, advisers), every mail as its reader sees it; no script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from html import escape
from itertools import groupby
from pathlib import Path
from typing import Any

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
summary { padding: 12px 20px; cursor: pointer; border-top: 1px solid var(--line); }
summary { font: normal 19px/26px Georgia, "Times New Roman", serif; }
li span { color: var(--soft); font-size: 14px; line-height: 20px; }
iframe { width: 100%; height: 100%; border: 0; background: #fff; }
@media (max-width: 720px) { main { grid-template-columns: 1fr; height: auto; } nav { max-height: 50vh; } iframe { height: 90vh; } }
"""


TABLE = """
body { background: var(--paper); padding: 24px; } table { border-collapse: collapse; width: 100%; font-size: 15px; }
caption { text-align: left; font: normal 22px/28px Georgia, "Times New Roman", serif; padding: 0 0 12px; }
th, td { text-align: left; padding: 6px 12px 6px 0; border-bottom: 1px solid var(--line); vertical-align: top; }
th { color: var(--soft); font-size: 14px; }
"""


class View(StrEnum):
    """Whose desk a mail lies on."""

    contact = "contact"
    adviser = "adviser"


DESKS = {
    View.contact: "Ansprechpersonen: was die OM ihnen schickt",
    View.adviser: "Beratende: was ihr Haus an sie weitergibt",
}

STATES = {
    "planned": "geplant",
    "offered": "angeboten",
    "accepted": "zugesagt",
    "postponed": "verschoben",
    "skipped": "diesmal nicht",
    "forwarded": "weitergegeben",
    "reported": "quittiert",
    "replaced": "durch das nächste ersetzt",
    "expired": "ohne Antwort abgelaufen",
}
LEVELS = {
    "head_office": "Zentrale",
    "state": "Landesebene",
    "regional": "Regionalstellen",
    "adviser": "Beratende",
    "business": "Betriebe",
    "no": "",
}


@dataclass(frozen=True)
class Shown:
    """One mail of the demo. ``at`` is local time, ``recipient`` a name, ``files`` hang on it."""

    file: str
    at: datetime
    campaign: str
    step: str
    subject: str
    recipient: str
    html: str
    view: View
    files: tuple[str, ...] = ()


def write_pages(folder: Path, mails: Sequence[Shown], packs: Sequence[Mapping[str, Any]]) -> Path:
    """Write ``index.html``, ``staff.html`` and one page per mail below ``mails/``; returns the index's path."""
    pages = folder / "mails"
    pages.mkdir(exist_ok=True)
    for mail in mails:
        (pages / f"{Path(mail.file).stem}.html").write_text(mail.html, encoding="utf-8")
    (folder / "staff.html").write_text(_staff(packs), encoding="utf-8")
    index = folder / "index.html"
    index.write_text(_index(mails), encoding="utf-8")
    return index.resolve()


def _page(title: str, style: str, body: str) -> str:
    return (
        '<!doctype html><html lang="de"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}{style}</style></head><body>{body}</body></html>\n"
    )


def _staff(packs: Sequence[Mapping[str, Any]]) -> str:
    heads = ("Kennwort", "Kampagne", "Haus", "geht an", "Beratende von", "Stand", "kam bis", "etwa")
    rows = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in _cells(pack)) + "</tr>" for pack in packs)
    head = "".join(f'<th scope="col">{each}</th>' for each in heads)
    table = (
        f"<table><caption>{len(packs)} Pakete und was aus ihnen wurde</caption><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    )
    return _page("Redaktion: Pakete", TABLE, table)


def _cells(pack: Mapping[str, Any]) -> tuple[str, ...]:
    count = "" if pack["count"] is None else str(pack["count"])
    return (
        pack["code"],
        f"{pack['campaign']}/{pack['step']}",
        pack["house"],
        pack["receiver"],
        ", ".join(pack["serves"]),
        STATES[pack["state"].value],
        LEVELS.get(pack["level"] or "no", ""),
        count,
    )


def _index(mails: Sequence[Shown]) -> str:
    first = f"mails/{Path(mails[0].file).stem}.html" if mails else "about:blank"
    desks = "".join(_desk(view, title, [mail for mail in mails if mail.view is view]) for view, title in DESKS.items())
    body = (
        f"<header><h1>Drei Schreibtische, 120 Tage</h1><p>{len(mails)} Mails der Beispielkampagnen. "
        "Alle Häuser und Personen sind erfunden.</p></header>"
        '<main><nav aria-label="Mails nach Schreibtischen"><ul>'
        '<li><a href="staff.html" target="mail"><strong>Redaktion: die Pakete</strong>'
        "<span>wer weitergibt, an wen, und was zurückkam</span></a></li>"
        '<li><a href="packs" target="mail"><strong>Die Dateien der Pakete</strong>'
        "<span>Entwurf, Seite, Text, Baustein, Blatt</span></a></li></ul>"
        f'{desks}</nav><iframe name="mail" src="{first}" title="Die gewählte Mail"></iframe></main>'
    )
    return _page(f"Demo: {len(mails)} Mails", "", body)


def _desk(view: View, title: str, mails: Sequence[Shown]) -> str:
    groups = []
    for day, found in groupby(mails, key=lambda mail: mail.at.date()):
        items = "".join(_item(mail) for mail in found)
        groups.append(f"<h2>{escape(format_date(day, format='EEEE, d. MMMM y', locale='de'))}</h2><ul>{items}</ul>")
    opened = " open" if view is View.contact else ""
    return f"<details{opened}><summary>{escape(title)} ({len(mails)})</summary>{''.join(groups)}</details>"


def _item(mail: Shown) -> str:
    href = f"mails/{Path(mail.file).stem}.html"
    what = f"{mail.campaign}/{mail.step}" if mail.step else "zum Weiterleiten"
    files = f"<br>mit {escape(', '.join(mail.files))}" if mail.files else ""
    return (
        f'<li><a href="{escape(href)}" target="mail"><strong>{escape(mail.subject)}</strong>'
        f"<span>{mail.at:%H:%M} Uhr · {escape(what)}<br>an {escape(mail.recipient)}{files}</span></a></li>"
    )
