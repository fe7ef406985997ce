"""Markdown becomes two templates: MJML for the HTML part and plain text, from the same tokens (MSG-11).

Expressions become ASCII words before Markdown and return after it, so organisation names can inject neither Markdown nor
HTML, and each expression keeps its line and column: in the made template every expression begins a line of its own, and
``places`` says where that line stands in the step file. All else is text: its braces are printed, however they were spelled.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markdown_it.token import Token

from om_campaigns.columns import digest
from om_campaigns.compose.characters import LITERAL, RESERVED, as_literal, is_reserved, read_literals, write_literals
from om_campaigns.compose.dialect import find_excess, find_lost, find_unread, make_parser, unify_line_ends
from om_campaigns.compose.locked import mark_locked
from om_campaigns.compose.plaintext import write_plain
from om_campaigns.errors import Problem, ProblemsError

_OPENING = re.compile(r"\{[{%#]")
WORD = re.compile(r"Zq7([jk])(\d{5})x([0-9a-f]{16})q7Z")
RAW = re.compile(r"\{%[-+]?\s*raw\s*[-+]?%\}(.*?)\{%[-+]?\s*endraw\s*[-+]?%\}", re.DOTALL)
STATEMENTS = frozenset({"if", "elif", "else", "endif", "for", "endfor", "set", "endset", "with", "endwith"})
BLOCK_HEAD = re.compile(r"(?P<name>[a-z][a-z0-9_]*)\s*(?:\{#(?P<id>[a-z][a-z0-9_\-]*)(?:\s+(?P<policy>\w+))?\s*\})?\Z")
BLOCK_NAMES = {"angebot": "offers", "sagen": "say", "tun": "do"}
POLICIES = {"gesperrt": "locked", "frei": "editable", "wahlfrei": "optional"}
ACTION_AFTER = "do"
LOST = "lost-text"
"""Rule of words that would not be seen. ``check`` refuses them; what was published before there was this rule is sent as it is."""


@dataclass(frozen=True, slots=True)
class Block:
    """A named block: what a partner may do with it (``policy``), its source text and the hash of that."""

    name: str
    id: str
    policy: str
    hash: str
    line: int
    text: str


@dataclass(frozen=True, slots=True)
class Made:
    """A template made from Markdown; ``places[i]`` is the line and column in the step file of its line i+1."""

    text: str
    places: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Body:
    """A step's text as two templates, with its blocks in order."""

    html: Made
    plain: Made
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class _Word:
    source: str
    line: int
    column: int
    name: str
    """Stands for it in Markdown. Nobody can write it into a text: it holds a hash of that text."""


def convert(source: str, path: str, first_line: int, language: str, *, with_action: bool = True) -> Body:
    """Markdown → templates; raises ProblemsError with file:line for blocks and statements that cannot stand there.

    ``with_action``: the call to action stands after the ``do`` block, or at the end.
    """
    body, found = _converted(source, path, first_line, language, with_action)
    if problems := [each for each in found if not each.is_warning and each.rule_id != LOST]:
        raise ProblemsError(problems)
    return body


def check_markdown(source: str, path: str, first_line: int, language: str) -> tuple[Body, list[Problem]]:
    """As ``convert``, but tells all problems, warnings too, beside what could be made."""
    body, problems = _converted(source, path, first_line, language, with_action=True)
    return body, list(problems)


@functools.lru_cache(maxsize=512)
def _converted(source: str, path: str, first_line: int, language: str, with_action: bool) -> tuple[Body, tuple[Problem, ...]]:
    problems: list[Problem] = []
    if excess := find_excess(source):
        return Body(Made("", ()), Made("", ()), ()), (Problem(path, first_line, 0, "markdown", excess),)
    flat, words, lines = _protected(RAW.sub(lambda raw: as_literal(raw[1]), unify_line_ends(source)), path, first_line, problems)
    flat = read_literals(flat)  # there is nothing left in it that could be taken for an expression
    problems += _nesting_problems(words, path)
    tokens = make_parser(language).parse(flat)
    problems += [Problem(path, lines[line], 0, LOST, text) for line, text in find_lost(tokens, flat.split("\n"))]
    unread = [Problem(path, lines[line], 0, "markdown", text, is_warning=True) for line, text in find_unread(tokens)]
    assembler = _Assembler(path, flat, words, lines, tokens, problems)
    assembler.has_action = not with_action
    html, plain = assembler.run()
    return Body(_restored(html, words), _restored(plain, words), tuple(assembler.blocks)), (*dict.fromkeys(problems), *unread)


def _protected(source: str, path: str, first_line: int, problems: list[Problem]) -> tuple[str, list[_Word], list[int]]:
    """The text with words for expressions, the words, and for each line of it the line of the file."""
    words: list[_Word] = []
    parts: list[str] = []
    lines = [first_line]
    position = 0
    salt = digest(source)[:16]

    def literal(text: str) -> None:
        line = lines[-1]
        for number in range(text.count("\n")):
            lines.append(line + number + 1)
        for sign in re.finditer(rf"\{{\{{|\{{%|(?!{LITERAL.pattern}){RESERVED}", text):
            where = line + text.count("\n", 0, sign.start())
            column = sign.start() - (text.rfind("\n", 0, sign.start()) + 1) + 1
            said = "begins here and never ends" if sign[0] != RESERVED else "cannot be used in a text"
            problems.append(Problem(path, where, column, "template", f"'{sign[0]}' {said}"))
        parts.append(text)

    for start, end in _expressions(source):
        literal(source[position:start])
        written, column = source[start:end], start - (source.rfind("\n", 0, start) + 1) + 1
        kind = "j" if written.startswith("{{") else "k"
        words.append(_Word(written, lines[-1], column, f"Zq7{kind}{len(words):05d}x{salt}q7Z"))
        parts.append(words[-1].name)
        _check_statement(words[-1], path, problems)
        lines[-1:] = [lines[-1] + written.count("\n")]
        position = end
    literal(source[position:])
    return "".join(parts), words, lines


def _expressions(source: str) -> Iterator[tuple[int, int]]:
    """Where expressions, statements and comments begin and end. Of what never ends the end is looked for once."""
    endless: set[str] = set()
    position = 0
    while opening := _OPENING.search(source, position):
        closing = {"{{": "}}", "{%": "%}", "{#": "#}"}[opening[0]]
        end = -1 if closing in endless else source.find(closing, opening.end())
        if end < 0:
            endless.add(closing)
            position = opening.start() + 1
        else:
            position = end + 2
            yield opening.start(), position


def _check_statement(word: _Word, path: str, problems: list[Problem]) -> None:
    if not word.source.startswith("{%"):
        return
    name = re.match(r"\{%[-+]?\s*(\w*)", word.source)
    if name is None or name[1] not in STATEMENTS:
        shown = name[1] if name else ""
        problems.append(
            Problem(path, word.line, word.column, "template", f"'{{% {shown} %}}' is for layouts; a step may use if, for, set and with")
        )


def _nesting_problems(words: Sequence[_Word], path: str) -> list[Problem]:
    """Statements that are never closed or close nothing."""
    problems: list[Problem] = []
    opened: list[tuple[str, _Word]] = []
    for word in words:
        kind, name = _kind(word.source)
        if kind == "open":
            opened.append((name, word))
        elif kind == "close" and opened and name == f"end{opened[-1][0]}":
            opened.pop()
        elif kind == "close" or (kind == "middle" and (not opened or opened[-1][0] not in ("if", "for"))):
            problems.append(Problem(path, word.line, word.column, "template", f"'{{% {name} %}}' has no beginning here"))
    for name, word in opened:
        problems.append(Problem(path, word.line, word.column, "template", f"'{{% {name} %}}' is never ended; add '{{% end{name} %}}'"))
    return problems


def _restored(text: str, words: Sequence[_Word]) -> Made:
    """The template with its expressions as they were written."""
    parts: list[str] = []
    places: list[tuple[int, int]] = [(words[0].line, words[0].column) if words else (0, 0)]
    position = 0
    for match in WORD.finditer(text):
        before = text[position : match.start()]
        word = words[int(match[2])]
        places += [places[-1]] * before.count("\n")
        opening = re.match(r"\{[{%#][-+]?", word.source)
        cut = opening.end() if opening else 2
        parts += (before, word.source[:cut], "\n", word.source[cut:])
        places.append((word.line, word.column))
        places += [(word.line + number + 1, 1) for number in range(word.source.count("\n"))]
        position = match.end()
    places += [places[-1]] * text.count("\n", position)
    return Made("".join((*parts, text[position:])), tuple(places))


class _Assembler:
    """Walks the top-level tokens: named blocks, statements on a line of their own, and runs of text between them."""

    def __init__(
        self, path: str, flat: str, words: Sequence[_Word], lines: Sequence[int], tokens: Sequence[Token], problems: list[Problem]
    ) -> None:
        self.path, self.words, self.lines, self.tokens, self.problems = path, words, lines, tokens, problems
        self.flat = flat.split("\n")
        self.blocks: list[Block] = []
        self.html: list[str] = []
        self.plain: list[str] = []
        self.has_action = False

    def run(self) -> tuple[str, str]:
        run: list[Token] = []
        parting = self._parting()
        position = 0
        while position < len(self.tokens):
            token = self.tokens[position]
            if token.type == "container_block_open":
                self._text(run)
                run = []
                position = self._block(position)
            elif position in parting:
                self._text(run)
                run = []
                self.html.append(token.content)
                self.plain.append(token.content)
                position += 1
            else:
                run.append(token)
                position += 1
        self._text(run)
        if not self.has_action:
            self._action()
        return "".join(self.html), "".join(self.plain)

    def _parting(self) -> set[int]:
        """Positions of statements that stand around a block; all others stay inside their run of text."""
        groups: list[tuple[list[int], bool]] = []
        open_groups: list[tuple[list[int], bool]] = []
        for position, token in enumerate(self.tokens):
            if token.type == "container_block_open":
                open_groups = [(positions, True) for positions, _ in open_groups]
            if token.type != "statement" or token.level:
                continue
            for word in WORD.finditer(token.content):
                kind, _ = _kind(self.words[int(word[2])].source)
                if kind == "open":
                    open_groups.append(([position], False))
                elif kind != "alone" and open_groups:
                    open_groups[-1][0].append(position)
                    if kind == "close":
                        groups.append(open_groups.pop())
        parting = {position for positions, around in groups if around for position in positions}
        parting.update(position for positions, _ in open_groups for position in positions)
        while more := {each for positions, _ in groups if parting.intersection(positions) for each in positions} - parting:
            parting |= more
        return parting

    def _text(self, tokens: Sequence[Token]) -> None:
        if tokens:
            self._include("text", tokens)

    def _include(self, name: str, tokens: Sequence[Token], locked: str = "") -> None:
        """``locked``: the id of a block that is the same in every house."""
        html = ("{% set content %}", self._printed(_render(tokens)), f"{{% endset %}}{{% include 'blocks/{name}.mjml' %}}")
        plain = (
            "{% set content %}",
            self._printed(write_plain(tokens)),
            f"{{% endset %}}{{% include ['blocks/{name}.txt', 'blocks/text.txt'] %}}",
        )
        self.html += mark_locked(locked, html)
        self.plain += (*mark_locked(locked, plain), "\n\n")

    def _printed(self, text: str) -> str:
        """What Markdown made, as part of a template: braces are braces, and nothing in it passes for an expression of ours."""
        known = {word.name for word in self.words}
        if is_reserved(WORD.sub(lambda word: "" if word[0] in known else word[0], text)):
            self.problems.append(Problem(self.path, 0, 0, "template", f"'{RESERVED}' cannot be used in a text, however it is spelled"))
            return ""
        return write_literals(text)

    def _action(self) -> None:
        self.has_action = True
        self.html.append("{% include 'blocks/action.mjml' %}")
        self.plain.append("{% include 'blocks/action.txt' %}\n\n")

    def _line(self, token: Token) -> int:
        return self.lines[token.map[0]] if token.map else 0

    def _block(self, position: int) -> int:
        """One ``::: name`` … ``:::``; returns the position after it."""
        opening = self.tokens[position]
        end = position + 1
        while self.tokens[end].type != "container_block_close" or self.tokens[end].level != opening.level:
            if self.tokens[end].type == "container_block_open":
                self._problem(self._line(self.tokens[end]), "a block cannot stand inside another one")
            end += 1
        inner = self.tokens[position + 1 : end]
        block = self._head(opening)
        if block is not None:
            if block.name == "action":
                self._action()
            else:
                self.blocks.append(block)
                self._include(block.name, inner, block.id if block.policy == "locked" else "")
                if block.name == ACTION_AFTER and not self.has_action and not any(self._named_action()):
                    self._action()
        return end + 1

    def _named_action(self) -> list[bool]:
        return [True for token in self.tokens if token.type == "container_block_open" and token.info.strip().split(" ")[0] == "action"]

    def _head(self, opening: Token) -> Block | None:
        line = self._line(opening)
        first, last = opening.map or [0, 0]
        closed = any(re.fullmatch(r"\s{0,3}:{3,}\s*", text) for text in self.flat[last - 1 : last + 1])
        if not closed:
            self._problem(line, "this block is never closed; end it with a line ':::'")
        match = BLOCK_HEAD.match(opening.info.strip())
        if match is None:
            self._problem(line, f"'::: {opening.info.strip()}' is no block head; write '::: say {{#say editable}}'")
            return None
        name = BLOCK_NAMES.get(match["name"], match["name"])
        policy = POLICIES.get(match["policy"] or "editable", match["policy"] or "editable")
        if policy not in ("locked", "editable", "optional"):
            self._problem(line, f"'{policy}' is no policy; possible are locked, editable, optional")
        identity = match["id"] or name
        if any(block.id == identity for block in self.blocks):
            self._problem(line, f"there are two blocks '#{identity}'; give one of them another id")
        text = self._source(first + 1, last)
        return Block(name, identity, policy, digest(text), line, text)

    def _source(self, first: int, last: int) -> str:
        text = "\n".join(line.rstrip() for line in self.flat[first:last] if not re.fullmatch(r"\s{0,3}:{3,}\s*", line)).strip()
        return WORD.sub(lambda match: self.words[int(match[2])].source, text)

    def _problem(self, line: int, text: str) -> None:
        self.problems.append(Problem(self.path, line, 1, "block", text))


def _kind(statement: str) -> tuple[str, str]:
    """Whether a statement opens a group, goes on with it (middle), closes it or stands alone; and its name."""
    name = re.match(r"\{%[-+]?\s*(\w*)", statement)
    word = name[1] if name else ""
    if word in ("if", "for", "with", "raw") or (word == "set" and "=" not in statement):
        return "open", word
    if word.startswith("end"):
        return "close", word
    return ("middle", word) if word in ("elif", "else") else ("alone", word)


def set_words(text: str, language: str) -> str:
    """HTML of plain words as a letter sets them: quotes and spaces of the language, headings below the subject. Not cleaned."""
    return _render(make_parser(language).parse(unify_line_ends(text)))


def _render(tokens: Sequence[Token]) -> str:
    demoted = [_demoted(token) for token in tokens]
    return str(make_parser("de").renderer.render(demoted, make_parser("de").options, {}))


def _demoted(token: Token) -> Token:
    """The letter's subject is its one h1, so headings in the text begin at h2 (REN-12)."""
    if token.type in ("heading_open", "heading_close"):
        return token.copy(tag="h2" if token.tag in ("h1", "h2") else "h3")
    if token.type == "th_open":
        return token.copy(attrs={**token.attrs, "scope": "col"})
    return token
