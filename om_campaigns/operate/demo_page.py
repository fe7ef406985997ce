"""The pages of the demo: three desks (staff, partners' contacts, advisers), every mail as its reader sees it; no script."""

from __future__ import annotations

from collections import Counter
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
main.desks { display: grid; grid-template-columns: minmax(300px, 26rem) 1fr; height: calc(100vh - 104px); }
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
@media (max-width: 720px) { main.desks { grid-template-columns: 1fr; height: auto; } nav { max-height: 50vh; } iframe { height: 90vh; } }
"""


SHEET = """
body { background: var(--paper); }
.sheet { max-width: 76rem; padding: 8px 24px 40px; }
.sheet h2 { margin: 32px 0 0; font: normal 22px/28px Georgia, "Times New Roman", serif; color: var(--ink); letter-spacing: 0; }
.sheet p { margin: 2px 0 12px; color: var(--soft); }
table { border-collapse: collapse; width: 100%; font-size: 15px; }
th, td { text-align: left; padding: 7px 14px 7px 0; border-bottom: 1px solid var(--line); vertical-align: top; }
th { color: var(--soft); font-size: 14px; font-weight: 600; }
.code { white-space: nowrap; }
.sheet a { color: var(--accent); }
.sheet li { padding: 6px 0; }
.sheet li a { display: inline; padding: 0; border: 0; text-decoration: underline; }
@media (max-width: 720px) {
  .sheet { padding: 0 20px 32px; }
  thead { position: absolute; clip-path: inset(50%); width: 1px; height: 1px; overflow: hidden; }
  tr { display: block; padding: 10px 0; border-bottom: 1px solid var(--line); }
  td { display: block; padding: 0; border: 0; }
  td:first-child { font-weight: 600; }
  td[data-head]:not(:empty)::before { content: attr(data-head) ": "; color: var(--soft); }
}
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


def write_pages(folder: Path, mails: Sequence[Shown], packs: Sequence[Mapping[str, Any]], names: Mapping[str, str]) -> Path:
    """Write ``index.html``, ``staff.html``, ``files.html`` and one page per mail below ``mails/``; returns the index's path.

    ``names``: houses by their slug.
    """
    pages = folder / "mails"
    pages.mkdir(exist_ok=True)
    for mail in mails:
        (pages / f"{Path(mail.file).stem}.html").write_text(mail.html, encoding="utf-8")
    (folder / "staff.html").write_text(_staff(packs, names), encoding="utf-8")
    (folder / "files.html").write_text(_files(folder / "packs", names), encoding="utf-8")
    index = folder / "index.html"
    index.write_text(_index(mails), encoding="utf-8")
    return index.resolve()


def _page(title: str, style: str, body: str) -> str:
    return (
        '<!doctype html><html lang="de"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}{style}</style></head><body>{body}</body></html>\n"
    )


FORMS = {
    "weiterleiten.eml": "Entwurf",
    "weiterleiten.html": "Seite",
    "weiterleiten.txt": "Text",
    "blatt.pdf": "Blatt",
    "baustein.md": "Baustein",
    "baustein.html": "Baustein als HTML",
    "manifest.json": "Verzeichnis",
}
"""Files of a pack in the words of the page."""

HEADS = ("Haus", "geht an", "Beratende von", "Stand", "kam bis", "etwa", "Kennwort")


def _staff(packs: Sequence[Mapping[str, Any]], names: Mapping[str, str]) -> str:
    """Step by step: what became of its packs, in a sentence and house by house."""
    parts = []
    steps = list(dict.fromkeys((pack["campaign"], pack["step"]) for pack in packs))
    for campaign, step in sorted(steps):
        mine = [pack for pack in packs if (pack["campaign"], pack["step"]) == (campaign, step)]
        states = Counter(STATES[pack["state"].value] for pack in mine)
        told = ", ".join(f"{number} {state}" for state, number in states.most_common())
        head = "".join(f'<th scope="col">{each}</th>' for each in HEADS)
        rows = "".join(_row(pack, names) for pack in mine)
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        parts.append(
            f"<h2>{escape(campaign)}/{escape(step)}</h2><p>{len(mine)} {'Paket' if len(mine) == 1 else 'Pakete'}: {escape(told)}</p>{table}"
        )
    intro = "<h1>Die Pakete, und was aus ihnen wurde</h1>"
    return _page("Redaktion: Pakete", SHEET, f'<header>{intro}</header><main class="sheet">{"".join(parts)}</main>')


def _row(pack: Mapping[str, Any], names: Mapping[str, str]) -> str:
    count = "" if pack["count"] is None else str(pack["count"])
    house = names[pack["house"]]
    serves = [names[slug] for slug in pack["serves"]]
    cells = (
        house,
        pack["receiver"],
        "" if serves == [house] else ", ".join(serves),
        STATES[pack["state"].value],
        LEVELS.get(pack["level"] or "no", ""),
        count,
        pack["code"],
    )
    shown = [f'<td data-head="{head}">{escape(cell)}</td>' for head, cell in zip(HEADS, cells, strict=True)]
    shown[0], shown[-1] = f"<td>{escape(house)}</td>", f'<td data-head="{HEADS[-1]}" class="code">{escape(pack["code"])}</td>'
    return f"<tr>{''.join(shown)}</tr>"


def _files(folder: Path, names: Mapping[str, str]) -> str:
    """Every file that was written for a house, to be opened."""
    parts = []
    for house in sorted(folder.iterdir(), key=lambda path: names[path.name]):
        for step in sorted(house.iterdir()):
            there = ((label, step / name) for name, label in FORMS.items())
            links = " · ".join(
                f'<a href="{path.relative_to(folder.parent).as_posix()}">{label}</a>' for label, path in there if path.is_file()
            )
            parts.append(f"<li><strong>{escape(names[house.name])}</strong>{links}</li>")
    intro = "<h1>Das erste Paket jedes Hauses</h1><p>Entwurf, Seite, Text, Bausteine und Blatt: nichts darin gehört nur einer Person.</p>"
    return _page("Die Dateien der Pakete", SHEET, f'<header>{intro}</header><main class="sheet"><ul>{"".join(parts)}</ul></main>')


def _index(mails: Sequence[Shown]) -> str:
    first = f"mails/{Path(mails[0].file).stem}.html" if mails else "about:blank"
    desks = "".join(_desk(view, title, [mail for mail in mails if mail.view is view]) for view, title in DESKS.items())
    body = (
        f"<header><h1>Drei Schreibtische, 120 Tage</h1><p>{len(mails)} Mails der Beispielkampagnen. "
        "Alle Häuser und Personen sind erfunden.</p></header>"
        '<main class="desks"><nav aria-label="Mails nach Schreibtischen"><ul>'
        '<li><a href="staff.html" target="mail"><strong>Redaktion: die Pakete</strong>'
        "<span>wer weitergibt, an wen, und was zurückkam</span></a></li>"
        '<li><a href="files.html" target="mail"><strong>Die Dateien der Pakete</strong>'
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
