"""Building an edition: a step, a brand and a house become four texts with gaps; problems are told with their place."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from markupsafe import Markup

from om_campaigns.columns import digest, dump_json
from om_campaigns.compose.brand import brand_chain, brand_path, load_brand
from om_campaigns.compose.characters import LITERAL, RESERVED, is_reserved, write_literals
from om_campaigns.compose.counted import find_countable, put_into_html, put_into_text
from om_campaigns.compose.dialect import as_markdown
from om_campaigns.compose.edition import Edition, EditionInput, Purpose
from om_campaigns.compose.escaping import LandingError, cut_html, unsafe_addresses
from om_campaigns.compose.frontmatter import StepFile, read_step
from om_campaigns.compose.locked import find_broken, mark_source, without_marks
from om_campaigns.compose.markdown import BLOCK_NAMES, convert
from om_campaigns.compose.mjml import make_html
from om_campaigns.compose.overlay import apply_overlay
from om_campaigns.compose.pictures import Picture, find_pictures, point_to_pages
from om_campaigns.compose.slots import (
    MARK_START,
    PLAIN_SIGNS,
    Book,
    Landing,
    SlotUse,
    cut_text,
    tainted,
)
from om_campaigns.compose.templates import ENVIRONMENT, FAILURES, MARKDOWN, READABLE, SlotEnvironment, Source, make_problem, make_template
from om_campaigns.compose.typesetting import fix_spaces
from om_campaigns.compose.wording import load_wording
from om_campaigns.errors import Problem, ProblemsError

RENDERER = "6"
"""Goes up with every change of this room that changes the bytes of a mail."""

OPTIONAL_NAMES = ("org", "campaign", "step", "toolkit", "toolkits", "region", "om", "house_contact", "next_step", "issue", "releases")

PACK_GREETINGS = {"de": "Guten Tag", "en": "Hello"}
"""Packs open without a name (domain rule 10)."""


def make_edition_id(given: EditionInput) -> str:
    """The hash of everything the edition may depend on, and of the renderer; builds nothing."""
    parts = [RENDERER, given.purpose, given.step_path, given.language, given.brand, dump_json(dict(given.context))]
    paths = [given.step_path, *filter(None, [given.note]), *(brand_path(key) for key in brand_chain(given.files, given.brand))]
    paths += sorted(path for path in given.files if path.startswith(READABLE))
    for path in paths:
        parts += (path, given.files.get(path, ""))
    parts += [picture.url for _, picture in find_pictures(given.files.get(given.step_path, ""), given.step_path, given.files, given.pages)]
    for own in given.overlay:
        parts += ("overlay", own.block, own.kind, own.after, own.text)
    if given.counting is not None:
        parts += ("counting", given.counting.url(""))
    return digest(*parts)


def make_edition(given: EditionInput) -> Edition:
    """Compile a step for one house and language; raises ProblemsError with file:line:column of everything in the way."""
    return _Builder(given).edition()


def _with_own_words(step: StepFile, given: EditionInput) -> StepFile:
    if not given.overlay:
        return step
    blocks = convert(step.body, step.path, step.body_line, given.language).blocks
    return replace(step, body=apply_overlay(step.body, step.body_line, blocks, given.overlay))


def find_shown(given: EditionInput) -> list[Picture]:
    """The pictures of a text, as far as the house's own words left them. Raises ProblemsError for one that cannot be shown."""
    step = _with_own_words(read_step(given.files[given.step_path], given.step_path), given)
    return list({found.name: found for _, found in find_pictures(step.body, step.path, given.files, given.pages)}.values())


@dataclass(frozen=True, slots=True)
class Neutral:
    """A step as anybody may read it (SEC-24). ``markdown``: blocks stand between ``::: name`` and ``:::``."""

    subject: str
    preheader: str
    markdown: str
    action: str


NEUTRAL_FIELDS = ("full_name", "first_name", "email", "masked_email", "role", "reason")


def make_neutral(given: EditionInput) -> Neutral:
    """The words of a step without anything of one reader: no name, no link, no code. Raises ProblemsError as ``make_edition`` does.

    A text that prints a link of its reader or a code of a pack cannot be made neutral.
    """
    builder = _Builder(replace(given, purpose=Purpose.pack, overlay=()))
    builder.book.constants = {
        "contact.greeting": PACK_GREETINGS[given.language],
        **{f"contact.{name}": "" for name in NEUTRAL_FIELDS},
    }
    subject, preheader = (builder.line(name, getattr(builder.step, name)) for name in ("subject", "preheader"))
    builder.names |= {"person": None, "subject": subject, "title": subject, "preheader": preheader}
    builder.names["action"] = {"text": builder.line("call_to_action.text", builder.step.call_to_action.text)}
    text = re.sub(r"(?<![ \u00a0])(?:[ \u00a0]*,)+", ",", builder.markdown())  # where a name stood between blanks and commas
    return Neutral(fix_spaces(subject), fix_spaces(preheader), text, builder.names["action"]["text"])


class _Builder:
    """One build: the names templates see, and the texts they make."""

    def __init__(self, given: EditionInput) -> None:
        self.given = given
        if given.step_path not in given.files:
            raise ProblemsError([Problem(given.step_path, 0, 0, "step", "there is no such step file")])
        if is_reserved(dump_json(dict(given.context))):
            raise ProblemsError([Problem(given.step_path, 0, 0, "slot", f"a value from the data holds the reserved word '{RESERVED}'")])
        step = read_step(given.files[given.step_path], given.step_path)
        self.ours, self.step = self.pointed(step), self.pointed(_with_own_words(step, given))
        is_pack = given.purpose is Purpose.pack
        self.book = Book(constants={"contact.greeting": PACK_GREETINGS[given.language]} if is_pack else None)
        self.environment: SlotEnvironment = ENVIRONMENT.for_files(given.files)
        brand = load_brand(given.files, given.brand)
        self.names: dict[str, Any] = dict.fromkeys(OPTIONAL_NAMES) | dict(given.context)
        self.names |= {"brand": brand.as_context(), "language": given.language, "sender": given.context.get("sender", "om")}
        self.names |= {"t": load_wording(given.files, given.language), "purpose": given.purpose.value, **self.book.roots()}
        self.counted: dict[str, str] = {}
        """Targets of the text with the addresses that stand for them."""

    def pointed(self, step: StepFile) -> StepFile:
        """The step with the addresses of its pictures."""
        return replace(step, body=point_to_pages(step.body, step.path, self.given.files, self.given.pages))

    def edition(self) -> Edition:
        step = self.step
        subject = self.line("subject", step.subject)
        preheader = self.line("preheader", step.preheader)
        self.names["person"] = self.person()
        self.names |= {"subject": subject, "title": _keep_together(fix_spaces(subject)), "preheader": preheader, "action": self.action()}
        html_body, text_body = self.body()
        if self.given.counting is not None:
            self.counted = {target: self.given.counting.url(target) for target in find_countable(html_body)}
            html_body, text_body = put_into_html(html_body, self.counted), put_into_text(text_body, self.counted)
        if self.given.note:
            html_note, text_note = self.note(self.given.note)
            html_body, text_body = html_body + html_note, f"{text_body}\n\n{text_note}"
        layout = f"layouts/{step.layout}.mjml"
        document = make_html(self.render(self.file(layout), content=Markup(html_body)), layout)  # noqa: S704  made by escaping templates
        document = MERGED_LISTS.sub("", document)
        plain_layout = f"layouts/{step.layout}.txt"
        plain = self.render(self.file(plain_layout if plain_layout in self.given.files else "layouts/letter.txt"), content=text_body)
        return self.cut(subject, preheader, document, tidy_plain(plain))

    def body(self) -> tuple[str, str]:
        """The text as HTML and as plain text. Raises ProblemsError where own words would touch a locked block."""
        made = self.set(self.step.body, self.given.step_path, self.step.body_line)
        if self.given.overlay:
            ours = self.set(self.ours.body, self.given.step_path, self.step.body_line)
            self.hold_locked(ours, made)
        return without_marks(made[0]), without_marks(made[1])

    def set(self, text: str, path: str, line: int, *, with_action: bool = True) -> tuple[str, str]:
        """Markdown as HTML and as plain text, with the marks of locked blocks."""
        body = convert(text, path, line, self.given.language, with_action=with_action)
        return (
            self.render(Source(path, path, body.html.text, body.html.places)),
            self.render(Source(f"{path}.txt", path, body.plain.text, body.plain.places)),
        )

    def hold_locked(self, ours: Sequence[str], theirs: Sequence[str]) -> None:
        found = [each for pair in zip(ours, theirs, strict=True) for each in find_broken(*pair, self.given.step_path)]
        if found:
            raise ProblemsError(list(dict.fromkeys(found)))

    def note(self, path: str) -> tuple[str, str]:
        """The text in the box, as HTML and as plain text."""
        if path not in self.given.files:
            raise ProblemsError([Problem(path, 0, 0, "note", "there is no such text")])
        html, plain = self.set(self.given.files[path], path, 1, with_action=False)
        return without_marks(html), without_marks(plain)

    def markdown(self) -> str:
        """The step's own Markdown with names filled in; what a partner takes into a newsletter of its own."""
        if self.given.purpose is not Purpose.pack:
            return ""
        body = self.source(self.step)
        if self.given.overlay:
            self.hold_locked([self.source(self.ours)], [body])
        action = as_markdown(self.names["action"]["text"])
        whole = f"{without_marks(body)}\n\n::: action\n{action}\n:::\n\n{self.signature()}"
        return put_into_text(tidy_plain(whole), self.counted)

    def source(self, step: StepFile) -> str:
        """The Markdown of a step with names filled in, and the marks of locked blocks."""
        path = self.given.step_path
        text = FENCE.sub(lambda match: f"::: {BLOCK_NAMES.get(match[1], match[1])}", mark_source(PICTURE_SIZE.sub(r"\1", step.body)))
        places = tuple((step.body_line + number, 1) for number in range(text.count("\n") + 1))
        return self.render(Source(f"{path}{MARKDOWN}", path, LITERAL.sub(lambda word: write_literals(word[0]), text), places))

    def signature(self) -> str:
        """Whom to answer, on one line: a sheet of paper and a newsletter have no reply button."""
        person = self.names["person"]
        if not person:
            return ""
        name = as_markdown(person["name"])
        return f"{self.names['t'][person['label']]}: {name}" + (f", <{person['email']}>" if person.get("email") else "")

    def file(self, path: str) -> Source:
        if path not in self.given.files:
            line, column = self.step.places.get("layout", (1, 0))
            raise ProblemsError([Problem(self.given.step_path, line, column, "layout", f"there is no layout '{path}'")])
        return Source(path, path, self.given.files[path])

    def render(self, source: Source, **more: Any) -> str:
        try:
            return make_template(self.environment, source).render({**self.names, **more})
        except FAILURES as error:
            raise ProblemsError([make_problem(error, source)]) from error

    def line(self, key: str, text: str) -> str:
        """A text of the head, rendered as plain text on one line."""
        if "{" not in text:
            return text
        place = self.step.places.get(key, (1, 0))
        source = Source(f"{self.given.step_path}#{key}.txt", self.given.step_path, text, (place,))
        return " ".join(self.render(source).split())

    def action(self) -> dict[str, Any]:
        """The call to action with its address: a link, a mail to answer with, or nothing."""
        wanted = self.step.call_to_action
        text = self.line("call_to_action.text", wanted.text)
        target = self.line("call_to_action.target", wanted.target)
        if wanted.how == "answer" and self.step.answer is not None and self.given.purpose is Purpose.letter:
            return {"text": text, "how": "link", "target": self.book.mark(SlotUse("links.answer")), "address": ""}
        if wanted.how in ("answer", "reply"):
            address = target.removeprefix("mailto:") or self.reply_address()
            subject = "" if tainted(text) else f"?subject={quote(text.translate(PLAIN_SIGNS), safe='')}"
            target = f"mailto:{address}{subject}" if address else ""
            return {"text": text, "how": "reply", "target": target, "address": address}
        return {"text": text, "how": wanted.how, "target": target if wanted.how == "link" else "", "address": ""}

    def person(self) -> dict[str, str] | None:
        """Who stands at the end of the letter: the contact in the house, or OM's where OM speaks."""
        house, om = self.names["house_contact"], self.names["om"]
        if self.names["sender"] == "home":
            return {**house, "label": "contact_home"} if house else None
        contact = om.get("contact") if isinstance(om, Mapping) else None
        if isinstance(contact, Mapping):
            return {**contact, "label": "contact_team" if contact.get("name") == om.get("name") else "contact_om"}
        return {"name": om["name"], "email": contact, "label": "contact_team"} if isinstance(contact, str) and "@" in contact else None

    def reply_address(self) -> str:
        """Where a prepared answer goes: the person at the end of the letter, else OM."""
        om = self.names["om"]
        contact = om.get("contact") if isinstance(om, Mapping) else ""
        address = (self.names["person"] or {}).get("email") or (contact.get("email") if isinstance(contact, Mapping) else contact)
        return address if isinstance(address, str) and "@" in address else ""

    def cut(self, subject: str, preheader: str, document: str, plain: str) -> Edition:
        problems = [
            Problem(self.given.step_path, 0, 0, "SEC-07", f"'{address}' is no web or mail address")
            for address in unsafe_addresses(document)
        ]
        uses = tuple(self.book.uses)
        try:
            html = cut_html(document, uses)
        except LandingError as error:
            raise ProblemsError([*problems, self.misplaced(error)]) from error
        parts = {
            "subject": cut_text(subject.translate(PLAIN_SIGNS), Landing.header),
            "preheader": cut_text(preheader, Landing.plain),
            "html": html,
            "text": cut_text(plain, Landing.plain),
        }
        found = {hole.slot for gapped in parts.values() for hole in gapped.holes}
        if any(slot >= len(uses) for slot in found):
            raise ProblemsError([*problems, Problem(self.given.step_path, 0, 0, "slot", f"the text holds the reserved word '{RESERVED}'")])
        lost = [use.path for number, use in enumerate(uses) if number not in found]
        problems += [
            Problem(self.given.step_path, 0, 0, "slot", f"'{path}' was printed and got lost on the way into the mail") for path in lost
        ]
        if problems:
            raise ProblemsError(problems)
        return Edition(
            make_edition_id(self.given), self.given.language, uses, markdown=self.markdown(), targets=tuple(self.counted), **parts
        )

    def misplaced(self, error: LandingError) -> Problem:
        path = self.book.uses[error.slot].path
        return Problem(self.given.step_path, 0, 0, "slot", f"'{path}' stands {error.place}, where a recipient's value cannot be made safe")


FENCE = re.compile(r"^ {0,3}:{3,}[ \t]*([^\W\d]\w*).*$", re.MULTILINE)
"""The head of a block; its id and policy are no business of a reader."""

PICTURE_SIZE = re.compile(r"(!\[[^\]\n]*\]\([^)\n]*\))\{[^{}\n]*\}")
"""What a picture of the text says of its size is no Markdown others know."""

MERGED_LISTS = re.compile(r"</ul>\s*<ul[^>]*>|</ol>\s*<ol[^>]*>")
"""Lists made by a loop or around an if are one list."""


def _keep_together(title: str) -> str:
    """The last two short words stay on one line, so a title never ends in a single word."""
    head, _, last = title.rpartition(" ")
    before = head.rsplit(" ", 1)[-1]
    return f"{head}\u00a0{last}" if len(title) > 24 and len(before) + len(last) <= 18 and MARK_START not in before + last else title


def tidy_plain(text: str) -> str:
    """Plain text with single empty lines, no trailing blanks, ordinary spaces and tight lists."""
    text = re.sub(r"(?<![ \t])[ \t]+$", "", text.translate(PLAIN_SIGNS), flags=re.MULTILINE)
    text = re.sub(r"(?m)^(- .*)\n\n(?=- )", r"\1\n", text)
    text = re.sub(r"(?m)^((\d+)\. .*)\n\n(?=(\d+)\. )", _tight, text)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def _tight(entry: re.Match[str]) -> str:
    """Numbers that count on are a list; others are paragraphs that begin with a number."""
    return f"{entry[1]}\n" if int(entry[3]) - int(entry[2]) in (0, 1) else entry[0]
