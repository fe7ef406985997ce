"""Rebuild ``caniemail.json``: what mail programs can show, as caniemail.com publishes it, cut down to what the lint reads.

``npm install caniemail`` in any folder, then ``python om_campaigns/compose/lint/make_caniemail.py FOLDER/node_modules/caniemail``.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

CLIENTS = {
    "outlook/windows": "Outlook for Windows",
    "outlook/outlook-com": "Outlook.com and new Outlook",
    "gmail/desktop-webmail": "Gmail",
    "gmail/android": "Gmail for Android",
    "apple-mail/macos": "Apple Mail",
    "apple-mail/ios": "Apple Mail for iOS",
    "gmx/desktop-webmail": "GMX",
    "web-de/desktop-webmail": "WEB.DE",
    "t-online-de/desktop-webmail": "T-Online",
    "thunderbird/macos": "Thunderbird",
}
"""The programs our readers use (REN-04); a letter is checked against all of them."""

CATEGORIES = ("css", "html", "image")


def newest(stats: Mapping[str, str]) -> tuple[str, str]:
    """The last tested version (or month) and its result; their order in the file is not relied upon (REN-02)."""
    version = max(stats, key=lambda each: [int(part) for part in re.findall(r"\d+", each)])
    return version, stats[version]


def make_feature(raw: Mapping[str, Any]) -> dict[str, Any]:
    """One feature: its title, the day of the last test, and for each client version, result (y, a, n) and the notes on it."""
    support = {}
    for client in CLIENTS:
        family, platform = client.split("/")
        if stats := raw["stats"].get(family, {}).get(platform):
            version, result = newest(stats)
            numbers = re.findall(r"#(\d+)", result)
            notes = [(raw.get("notes_by_num") or {}).get(number, "") for number in numbers]
            if result[0] in "yan":
                support[client] = [version, result[0], *(" ".join(note.split()) for note in notes if note and result[0] == "a")]
    return {"title": raw["title"].strip(), "tested": raw["last_test_date"], "support": support}


def make_data(package: Path) -> dict[str, Any]:
    """The whole file, from an unpacked npm package."""
    raw = json.loads((package / "data" / "caniemail.json").read_text(encoding="utf-8"))
    version = json.loads((package / "package.json").read_text(encoding="utf-8"))["version"]
    features = {each["slug"]: make_feature(each) for each in raw["data"] if each["category"] in CATEGORIES}
    return {
        "source": f"https://www.caniemail.com, by Rémi Parmentier and contributors; npm package caniemail {version}",
        "licence": "MIT, see caniemail.LICENSE beside this file",
        "date": raw["last_update_date"][:10],
        "clients": CLIENTS,
        "features": dict(sorted(features.items())),
    }


if __name__ == "__main__":
    here, package = Path(__file__).parent, Path(sys.argv[1])
    lines = json.dumps(make_data(package), ensure_ascii=False, separators=(",", ":")).replace('},"', '},\n"')
    (here / "caniemail.json").write_text(lines + "\n", encoding="utf-8")
    (here / "caniemail.LICENSE").write_text((package / "LICENSE").read_text(encoding="utf-8"), encoding="utf-8")
