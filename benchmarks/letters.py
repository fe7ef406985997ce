"""Every mail of the starter workspace as a table: size, what the lint says, what spam filters say.

    python -m benchmarks.letters

Scores need SpamAssassin and rspamd (``apt-get install spamassassin rspamd``); a missing one leaves its column empty.
"""

from __future__ import annotations

import logging
from pathlib import Path
from tempfile import TemporaryDirectory

import structlog

from om_campaigns.app import App
from om_campaigns.letters.texts import campaign_names
from om_campaigns.operate.installation import init_workspace
from om_campaigns.staff.importing import import_audience
from om_campaigns.staff.preview import Preview, preview
from om_campaigns.staff.spam import Verdict, judge
from om_campaigns.wiring import open_app

LANGUAGES = ("de", "en")


def make_letters(folder: Path) -> list[Preview]:
    """Every distinct mail of the starter campaigns, covers and ready mails included, for the first reader who matches."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    init_workspace(folder)
    app = open_app(folder)
    import_audience(app, [], app.now(), "benchmark")
    found = [letter for name in campaign_names(app) for language in LANGUAGES for letter in _letters(app, name, language)]
    app.engine.dispose()
    return found


def _letters(app: App, name: str, language: str) -> list[Preview]:
    """A text that does not exist in a language is made in another one; it stands in the table once."""
    return [letter for letter in preview(app, name, app.now(), language=language) if letter.language == language]


def name_of(letter: Preview) -> str:
    """Campaign, step, variant, part and language."""
    part = "" if letter.part == "mail" else letter.part
    return " ".join(filter(None, (f"{letter.campaign}/{letter.step}", letter.variant, part, letter.language)))


def main() -> None:
    with TemporaryDirectory() as folder:
        letters = make_letters(Path(folder))
    print(f"{'mail':40} {'HTML':>7} {'mail':>8}  {'errors':>6} {'warnings':>8}  {'SpamAssassin':>12}  {'rspamd':>6}  action")
    for letter, verdicts in zip(letters, judge([each.content for each in letters]), strict=True):
        warnings = sum(each.is_warning for each in letter.problems)
        scores: dict[str, Verdict] = {each.filter: each for each in verdicts}
        shown = {name: f"{scores[name].score:.2f}" if name in scores else "" for name in ("SpamAssassin", "rspamd")}
        action = scores["rspamd"].action if "rspamd" in scores else ""
        size = f"{len(letter.html.encode()):7,} {len(letter.content):8,}"
        found = f"{len(letter.problems) - warnings:6} {warnings:8}"
        print(f"{name_of(letter):40} {size}  {found}  {shown['SpamAssassin']:>12}  {shown['rspamd']:>6}  {action}")


if __name__ == "__main__":
    main()
