"""``check``: everything wrong with one step file, without a recipient, a house or a database."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from om_campaigns.compose.brand import load_brand
from om_campaigns.compose.characters import BREAKS, find_control_characters, place_before, take_breaks
from om_campaigns.compose.frontmatter import StepFile, parse_step
from om_campaigns.compose.markdown import Body, check_markdown
from om_campaigns.compose.pictures import find_problems
from om_campaigns.compose.template_checks import check_source
from om_campaigns.compose.templates import Source
from om_campaigns.compose.wording import load_wording, wording_path
from om_campaigns.errors import Problem, ProblemsError
from om_campaigns.nearest import suggest

PATTERNS: dict[str, tuple[str, ...]] = {"offers_say_do": ("offers", "say", "do")}
"""Patterns a campaign may ask for and the blocks each step must then have (R18)."""

PREHEADER = (30, 110)
"""Characters of a preheader that show in a list of mails (REN-13)."""
MAX_SUBJECT = 150
FAKE_REPLY = re.compile(r"\s*(re|aw|wg|fw|fwd|antwort)\s*:", re.IGNORECASE)
PLAIN_LINK = re.compile(r"<a href=\"(http://[^\"]*)\"")
HTML_TAG = re.compile(r"</?[a-zA-Z][^<>\n]*>|<!--")
NOT_HTML = re.compile(r"`[^`\n]*`|\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}|<(?:https?://|mailto:|[\w.+-]+@)[^<>\s]*>", re.DOTALL)
"""Code, expressions and addresses in angle brackets."""

SHOWN_ADDRESS = re.compile(r"<a href=\"https?://([^/\"?#]*)[^\"]*\">\s*((?:https?://|www\.)[^<\s]*)")


def language_of(path: str) -> str:
    """``campaigns/x/a1.few.en.md`` → ``en``; German where a name tells no language."""
    parts = path.rsplit("/", 1)[-1].split(".")
    return parts[-2] if len(parts) > 2 and re.fullmatch(r"[a-z]{2}", parts[-2]) else "de"


def check_step(files: Mapping[str, str], path: str, campaign_pattern: str | None = None) -> list[Problem]:
    """All problems of the step at ``path``: head, ideas, call to action, blocks, expressions and slots on every branch."""
    source = files[path]
    step, problems = parse_step(source, path)
    if step is None:
        return problems
    body, found = check_markdown(step.body, path, step.body_line, language_of(path))
    problems += found
    problems += _head_problems(step)
    problems += _block_problems(files, step, body, campaign_pattern)
    problems += check_source(Source(path, path, body.html.text, body.html.places))
    problems += _link_problems(step, body)
    problems += _html_problems(step)
    problems += find_problems(step.body, path, step.body_line, files)
    if any(sign in source for sign in BREAKS):
        problems = [_placed(problem, path, source) for problem in problems]
    problems += find_control_characters(source, path)
    return sorted(set(problems), key=lambda problem: (problem.line, problem.column, problem.text))


def _placed(problem: Problem, path: str, source: str) -> Problem:
    """A problem where an editor shows it: for an editor a vertical tab ends no line."""
    if problem.file != path or not problem.line:
        return problem
    line, column = place_before(source, problem.line, problem.column)
    return replace(problem, line=line, column=column)


def _head_problems(step: StepFile) -> list[Problem]:
    problems: list[Problem] = []
    texts = {
        "subject": step.subject,
        "preheader": step.preheader,
        "call_to_action.text": step.call_to_action.text,
        "call_to_action.target": step.call_to_action.target,
    }
    for key, text in texts.items():
        place = step.places.get(key, (1, 0))
        problems += check_source(Source(f"{step.path}#{key}.txt", step.path, text, (place,)))
    line, column = step.places.get("subject", (1, 0))
    if FAKE_REPLY.match(step.subject):
        problems.append(Problem(step.path, line, column, "LAW-16", "a subject must not look like an answer or a forwarded mail"))
    if len(step.subject) > MAX_SUBJECT:
        problems.append(
            Problem(step.path, line, column, "subject", f"the subject has {len(step.subject)} characters, at most {MAX_SUBJECT}")
        )
    line, column = step.places.get("preheader", (1, 0))
    length = len(step.preheader)
    if step.preheader and "{" not in step.preheader and not PREHEADER[0] <= length <= PREHEADER[1]:
        text = f"the preheader has {length} characters; {PREHEADER[0]} to {PREHEADER[1]} are shown well"
        problems.append(Problem(step.path, line, column, "REN-13", text))
    return problems


def _block_problems(files: Mapping[str, str], step: StepFile, body: Body, pattern: str | None) -> list[Problem]:
    problems = []
    names = [block.name for block in body.blocks]
    if pattern and pattern not in PATTERNS:
        problems.append(Problem(step.path, 0, 0, "R18", f"there is no pattern '{pattern}'; known are {', '.join(PATTERNS)}"))
    missing = [name for name in PATTERNS.get(pattern or "", ()) if name not in names]
    if missing:
        text = f"the pattern {pattern} asks for the blocks {', '.join(f'::: {name}' for name in missing)}"
        problems.append(Problem(step.path, step.body_line, 0, "R18", text))
    for block in body.blocks:
        if f"blocks/{block.name}.mjml" not in files:
            known = sorted(path[7:-5] for path in files if path.startswith("blocks/") and path.endswith(".mjml"))
            near = suggest(block.name, known) or f"; known are {', '.join(name for name in known if name not in ('text',))}"
            text = f"there is no block '{block.name}'{near}"
            problems.append(Problem(step.path, block.line, 1, "block", text))
    if f"layouts/{step.layout}.mjml" not in files:
        line, column = step.places.get("layout", (1, 0))
        problems.append(Problem(step.path, line, column, "layout", f"there is no layout 'layouts/{step.layout}.mjml'"))
    return problems


def _link_problems(step: StepFile, body: Body) -> list[Problem]:
    problems = []
    for match in PLAIN_LINK.finditer(body.html.text):
        problems.append(Problem(step.path, _line_of(step, match[1]), 0, "REN-16", f"'{match[1]}' is not encrypted; link to https://"))
    for match in SHOWN_ADDRESS.finditer(body.html.text):
        shown = re.sub(r"^https?://", "", match[2]).split("/")[0]
        if shown.casefold() != match[1].casefold() and "{{" not in match[1]:
            text = f"the text shows '{shown}' but the link goes to '{match[1]}'"
            problems.append(Problem(step.path, _line_of(step, shown), 0, "REN-16", text))
    return problems


def _html_problems(step: StepFile) -> list[Problem]:
    """HTML in a text is no HTML in the letter: readers would see the tags."""
    problems = []
    plain = NOT_HTML.sub(lambda match: " " * len(match[0]), step.body)
    for tag in HTML_TAG.finditer(plain):
        line, column = step.body_line + plain.count("\n", 0, tag.start()), tag.start() - plain.rfind("\n", 0, tag.start())
        problems.append(Problem(step.path, line, column, "SEC-05", f"'{tag[0][:40]}' would be shown as it is written; texts are Markdown"))
    return problems


def _line_of(step: StepFile, text: str) -> int:
    return step.body_line + step.body.split(text, 1)[0].count("\n") if text in step.body else 0


def check_looks(files: Mapping[str, str]) -> list[Problem]:
    """All problems of layouts, blocks, brands, the words around a letter and the texts that belong to no campaign."""
    problems: list[Problem] = []
    for path in sorted(files):
        try:
            if path.startswith("brands/") and path.endswith(".toml"):
                load_brand(files, path[7:-5])
            elif path.startswith("layouts/words.") and path.endswith(".toml"):
                load_wording(files, path.split(".")[1])
            elif path.startswith(("layouts/", "blocks/")) and path.endswith((".mjml", ".txt")):
                problems += check_source(Source(path, path, files[path]), layout=True)
                problems += find_control_characters(files[path], path)
            elif path.endswith(".md") and not path.startswith("campaigns/"):
                problems += _check_text(files, path)
        except ProblemsError as error:
            problems += error.problems
    if wording_path("de") not in files:
        problems.append(Problem(wording_path("de"), 0, 0, "wording", "the words around a letter are missing"))
    return list(dict.fromkeys(problems))


def _check_text(files: Mapping[str, str], path: str) -> list[Problem]:
    """A text beside the campaigns: a cover has a head like a step, a note or a part of a letter has none."""
    if files[path].startswith("+++"):
        return check_step(files, path)
    body, problems = check_markdown(take_breaks(files[path]), path, 1, language_of(path))
    problems += find_control_characters(files[path], path)
    return problems + check_source(Source(path, path, body.html.text, body.html.places))
