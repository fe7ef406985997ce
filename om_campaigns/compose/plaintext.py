"""Markdown tokens as a plain-text letter: nothing hard-wrapped, every link with its address, lists and quotes as one reads them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from markdown_it.token import Token

NO_BREAK = "\u00a0"


def write_plain(tokens: Sequence[Token]) -> str:
    """The tokens of whole blocks as text; paragraphs are one line each, blocks are parted by an empty line."""
    blocks, _ = _blocks(list(tokens), 0, "")
    return re.sub(r"\n{3,}", "\n\n", "\n\n".join(blocks))


def _blocks(tokens: list[Token], position: int, closing: str) -> tuple[list[str], int]:
    blocks: list[str] = []
    glue = ""
    while position < len(tokens) and tokens[position].type != closing:
        token = tokens[position]
        if token.type == "statement":
            glue += token.content
            position += 1
            continue
        text, position = _block(tokens, position)
        if text:
            blocks.append(glue + text)
            glue = ""
    if glue:
        blocks = [*blocks[:-1], blocks[-1] + glue] if blocks else [glue]
    return blocks, position


def _block(tokens: list[Token], position: int) -> tuple[str, int]:
    token = tokens[position]
    if token.type == "inline":
        return _inline(token.children or []), position + 1
    if token.type in ("fence", "code_block"):
        return _indented(token.content.rstrip("\n"), "    ", "    "), position + 1
    if token.type == "hr":
        return "* * *", position + 1
    if token.type in ("bullet_list_open", "ordered_list_open"):
        return _list(tokens, position)
    if token.type == "table_open":
        return _table(tokens, position)
    if token.nesting == 1:
        inner, end = _blocks(tokens, position + 1, token.type.replace("_open", "_close"))
        text = "\n\n".join(inner)
        if token.type == "blockquote_open":
            text = _indented(text, "> ", "> ")
        if token.type == "heading_open":
            text = f"{text}\n{'-' * _rule_length(text)}"
        return text, end + 1
    return "", position + 1


def _rule_length(text: str) -> int:
    return max(3, min(len(re.sub(r"Zq7[jk]\w+?q7Z", "x" * 12, text)), 60))


def _list(tokens: list[Token], position: int) -> tuple[str, int]:
    opening = tokens[position]
    ordered = opening.type.startswith("ordered")
    number = int(opening.attrGet("start") or 1)
    closing = opening.type.replace("_open", "_close")
    items: list[str] = []
    loose = False
    position += 1
    while tokens[position].type != closing:
        if tokens[position].type == "list_item_open":
            inner, end = _blocks(tokens, position + 1, "list_item_close")
            sign = f"{number}. " if ordered else "- "
            loose = loose or len(inner) > 1
            items.append(_indented("\n".join(inner), sign, " " * len(sign)))
            number += 1
            position = end + 1
        else:
            position += 1
    return "\n".join(items), position + 1


def _table(tokens: list[Token], position: int) -> tuple[str, int]:
    """Each row as one line, each cell after the first with the name of its column."""
    rows: list[list[str]] = []
    while tokens[position].type != "table_close":
        token = tokens[position]
        if token.type == "tr_open":
            rows.append([])
        elif token.type == "inline":
            rows[-1].append(_inline(token.children or []))
        position += 1
    head, *body = rows
    lines = [] if body else ["- " + "; ".join(head)]
    for row in body:
        named = [f"{name}: {cell}" if name else cell for name, cell in zip(head[1:], row[1:], strict=False) if cell]
        lines.append("- " + "; ".join([row[0], *named]))
    return "\n".join(lines), position + 1


def _inline(children: Sequence[Token]) -> str:
    alone = len(children) > 2 and children[0].type == "link_open" and [c.type for c in children].index("link_close") == len(children) - 1
    parts: list[str] = []
    targets: list[tuple[str, int]] = []
    bold: list[int] = []
    for child in children:
        if child.type in ("text", "code_inline"):
            parts.append(child.content)
        elif child.type == "softbreak":
            parts.append(" ")
        elif child.type == "hardbreak":
            parts.append("\n")
        elif child.type == "strong_open":
            bold.append(len(parts))
            parts.append("*")
        elif child.type == "strong_close":
            parts.append("*")
            _drop_doubtful(parts, bold.pop())
        elif child.type == "image":
            parts.append(child.content)
        elif child.type == "link_open":
            targets.append(("" if child.info == "auto" else str(child.attrGet("href") or ""), len(parts)))
        elif child.type == "link_close":
            target, begin = targets.pop()
            parts.append(_target("".join(parts[begin:]), target, alone=alone))
    return "".join(parts).replace(NO_BREAK, " ").strip()


def _drop_doubtful(parts: list[str], begin: int) -> None:
    """Stars around bold words are left out where they could be taken for a part of them."""
    if "*" in "".join(parts[begin + 1 : -1]) or "".join(parts[:begin])[-1:].isalnum():
        parts[begin] = parts[-1] = ""


def _target(text: str, target: str, *, alone: bool) -> str:
    if not target or text in (target, target.removeprefix("mailto:")):
        return ""
    return f": {target}" if alone else f" <{target}>"


def _indented(text: str, first: str, other: str) -> str:
    lines = text.split("\n")
    return "\n".join([first + lines[0], *((other + line).rstrip() for line in lines[1:])])
