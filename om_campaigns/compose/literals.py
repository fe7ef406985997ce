"""Braces that are only braces: what anybody wrote into a text is never read as a template (SEC-03).

Markdown decodes entities and escapes, so a look at the source proves nothing. Own words carry a word for each brace while
expressions are looked for (``as_literal``), and whatever brace stands in a text after Markdown becomes an expression that prints it.
"""

from __future__ import annotations

import re

RESERVED = "Zq7"
"""Begins every word that stands for something else on its way through Markdown and MJML; no text may hold it."""

UNSEEN = "\u00ad"
"""Taken out of subjects and plain text at last; what is looked for before must be seen without it."""

_NAMES = {"{": "Zq7lq7Z", "}": "Zq7rq7Z"}
LITERAL = re.compile("|".join(_NAMES.values()))
_RUN = re.compile(rf"(?:{LITERAL.pattern}|[{{}}])+")


def is_reserved(text: str) -> bool:
    """Whether a text holds the word that no text may hold, or would once it is plain."""
    return RESERVED in text.replace(UNSEEN, "")


def as_literal(text: str) -> str:
    """Text with a word for each brace, so that nobody finds an expression in it."""
    return re.sub("[{}]", lambda brace: _NAMES[brace[0]], text)


def read_literals(text: str) -> str:
    """The text with its braces again."""
    return LITERAL.sub(lambda word: "{" if word[0] == _NAMES["{"] else "}", text)


def write_literals(text: str) -> str:
    """The text as part of a Jinja template that prints it."""
    return _RUN.sub(lambda run: f"{{{{ '{read_literals(run[0])}' }}}}", text)
