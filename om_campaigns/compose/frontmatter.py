"""The head of a step file: TOML between ``+++`` lines, in English or German words, read strictly."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from om_campaigns.audience.vocabulary import IDEA_NAMES, Idea
from om_campaigns.compose.characters import blank_breaks, take_breaks
from om_campaigns.errors import Problem, ProblemsError
from om_campaigns.nearest import suggest

KEYS: dict[str, str] = {
    "betreff": "subject",
    "vorspann": "preheader",
    "gedanken": "ideas",
    "themen": "topics",
    "handlungsaufruf": "call_to_action",
    "hilfen": "toolkits",
    "vorlage": "layout",
    "frist": "due",
    "antwort": "answer",
}
"""German name of a key → its English name; both are accepted, in any case."""

ACTION_KEYS = {"wie": "how", "ziel": "target"}
ANSWER_KEYS = {"ziel": "target", "frage": "question", "hinweis": "help", "auswahl": "choices", "fragen": "questions"}
HOWS = {"antwort": "answer", "antwortseite": "answer", "antworten": "reply", "link": "link", "verweis": "link", "offline": "offline"}
ENGLISH = frozenset(KEYS.values())
CODE = re.compile(r"[a-z0-9_]{1,40}")
FENCE = re.compile(r"\ufeff?\+\+\+[ \t]*\r?\n(.*?)^\+\+\+[ \t]*(?:\r?\n|\Z)", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class CallToAction:
    """The one thing a reader can do: ``how`` is answer, reply, link or offline; ``target`` an address, else empty."""

    text: str
    how: str
    target: str = ""


class AnswerTarget(StrEnum):
    """Where an answer lands in the data of the reader's house."""

    distributor = "distributor"
    interests = "interests"
    networks = "networks"
    contacts_wanted = "contacts_wanted"
    note = "note"


@dataclass(frozen=True, slots=True)
class Answer:
    """The question behind the call to action. ``choices`` are (code, label); ``questions`` are for notes, one text each."""

    target: AnswerTarget
    question: str
    help: str = ""
    choices: tuple[tuple[str, str], ...] = ()
    questions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StepFile:
    """A step as written. ``body_line`` is the line of the file the Markdown begins at; ``places`` says where each key stands."""

    path: str
    subject: str
    preheader: str
    ideas: tuple[Idea, ...]
    topics: tuple[str, ...]
    call_to_action: CallToAction
    toolkits: tuple[str, ...]
    layout: str
    due_days: int | None
    answer: Answer | None
    body: str
    body_line: int
    places: Mapping[str, tuple[int, int]]


def read_step(source: str, path: str) -> StepFile:
    """A step file from its text; raises ProblemsError with everything that is wrong in its head."""
    step, problems = parse_step(source, path)
    if step is None or problems:
        raise ProblemsError(problems)
    return step


def parse_step(source: str, path: str) -> tuple[StepFile | None, list[Problem]]:
    """The step, as far as it can be read, and all problems of its head. None only if there is no readable head."""
    match = FENCE.match(source)
    if match is None:
        return None, [Problem(path, 1, 1, "front-matter", "a step begins with a head between two lines '+++'")]
    head = blank_breaks(match[1])
    try:
        values = tomllib.loads(head.replace("\r\n", "\n"))
    except tomllib.TOMLDecodeError as error:
        return None, [_toml_problem(error, path, head)]
    reader = _Reader(path, head)
    return reader.step(values, source[match.end() :], source.count("\n", 0, match.end()) + 1), reader.problems


def _toml_problem(error: tomllib.TOMLDecodeError, path: str, head: str) -> Problem:
    text = str(error)
    where = re.search(r"\s*\(at line (\d+), column (\d+)\)|\s*\(at end of document\)", text)
    line, column = (int(where[1]) + 1, int(where[2])) if where and where[1] else (head.count("\n") + 1, 0)
    return Problem(path, line, column, "front-matter", f"the head is not TOML: {text[: where.start()] if where else text}")


def key_place(head: str, key: str, first_line: int, within: tuple[int, int] = (0, 0)) -> tuple[int, int]:
    """Line and column of the value of ``key`` in TOML text (its parser does not tell); (first_line, 0) if not found."""
    pattern = re.compile(rf"(?:^|[{{,\n])[ \t]*[\"']?{re.escape(key)}[\"']?[ \t]*=[ \t]*(?:\"\"\"|'''|[\"'])?", re.IGNORECASE)
    begin = 0
    if within != (0, 0):
        lines = head.split("\n")
        begin = sum(len(line) + 1 for line in lines[: within[0] - first_line]) + max(within[1] - 1, 0)
        begin = max(begin - 1, 0)
    match = pattern.search(head, begin)
    if match is None:
        return (first_line, 0)
    before = head[: match.end()]
    return first_line + before.count("\n"), len(before) - (before.rfind("\n") + 1) + 1


class _Reader:
    def __init__(self, path: str, head: str) -> None:
        self.path, self.head = path, head
        self.problems: list[Problem] = []
        self.places: dict[str, tuple[int, int]] = {}

    def problem(self, key: str, text: str, rule_id: str = "front-matter") -> None:
        line, column = self.places.get(key, (1, 0))
        self.problems.append(Problem(self.path, line, column, rule_id, text))

    def step(self, raw: dict[str, Any], body: str, body_line: int) -> StepFile:
        values = self._english(raw, KEYS, ENGLISH, "")
        action = self._action(values.get("call_to_action"))
        step = StepFile(
            path=self.path,
            subject=self._text(values, "subject", required=True),
            preheader=self._text(values, "preheader", required=True),
            ideas=self._ideas(values.get("ideas", [])),
            topics=self._words(values, "topics"),
            call_to_action=action,
            toolkits=self._words(values, "toolkits"),
            layout=self._text(values, "layout") or "letter",
            due_days=self._days(self._text(values, "due")),
            answer=self._answer(values.get("answer"), action),
            body=take_breaks(body.replace("\r\n", "\n")),
            body_line=body_line,
            places=self.places,
        )
        if not step.body.strip():
            self.problems.append(Problem(self.path, body_line, 0, "step", "the letter has no text"))
        return step

    def _english(self, raw: dict[str, Any], german: Mapping[str, str], known: frozenset[str], prefix: str) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for word, value in raw.items():
            key = german.get(word.casefold(), word.casefold())
            within = self.places.get(prefix.rstrip("."), (0, 0)) if prefix else (0, 0)
            self.places[prefix + key] = key_place(self.head, word, 2, within)
            if key not in known:
                self.problem(prefix + key, f"unknown key '{word}'{suggest(key, [*known, *german])}")
            elif key in values:
                self.problem(prefix + key, f"'{word}' stands there twice, in German and in English")
            else:
                values[key] = value
        return values

    def _text(self, values: dict[str, Any], key: str, *, required: bool = False) -> str:
        value = values.get(key, "")
        if not isinstance(value, str):
            self.problem(key, f"'{key}' must be a text in quotation marks")
            return ""
        if required and not value.strip():
            self.problem(key, f"'{key}' is missing")
        if "\n" in value.strip() and key in ("subject", "preheader", "layout"):
            self.problem(key, f"'{key}' must be one line", "SEC-01")
        return " ".join(value.split())

    def _words(self, values: dict[str, Any], key: str) -> tuple[str, ...]:
        value = values.get(key, [])
        if isinstance(value, list) and all(isinstance(word, str) and word.strip() for word in value):
            return tuple(word.strip() for word in value)
        self.problem(key, f'\'{key}\' must be a list of texts: ["…", "…"]')
        return ()

    def _ideas(self, value: Any) -> tuple[Idea, ...]:
        names = {name.casefold(): idea for idea, by_language in IDEA_NAMES.items() for name in (idea.value, *by_language.values())}
        if not isinstance(value, list) or not value:
            self.problem("ideas", "a step names at least one OM idea: " + ", ".join(Idea), "R8")
            return ()
        found = []
        for word in value:
            idea = names.get(str(word).strip().casefold())
            if idea is None:
                self.problem("ideas", f"'{word}' is no OM idea{suggest(str(word), names)}", "R8")
            elif idea not in found:
                found.append(idea)
        return tuple(found)

    def _action(self, value: Any) -> CallToAction:
        if not isinstance(value, dict):
            self.problem("call_to_action", 'every step names one thing to do: call_to_action = { text = "…", how = "reply" }', "R2")
            return CallToAction("", "offline")
        values = self._english(value, ACTION_KEYS, frozenset({"text", "how", "target"}), "call_to_action.")
        text, how, target = (str(values.get(key, "")).strip() for key in ("text", "how", "target"))
        how = HOWS.get(how.casefold(), how.casefold())
        if not text:
            self.problem("call_to_action", "call_to_action has no 'text'", "R2")
        if how not in ("answer", "reply", "link", "offline"):
            self.problem("call_to_action.how", f"how = '{how}' is not one of answer, reply, link, offline", "R2")
        if how == "link" and not target:
            self.problem("call_to_action", "how = \"link\" needs a 'target'", "R2")
        if how == "link" and target and not re.match(r"https://|\{\{", target):
            self.problem("call_to_action.target", "a link begins with https://", "REN-16")
        return CallToAction(" ".join(text.split()), how, target)

    def _answer(self, value: Any, action: CallToAction) -> Answer | None:
        if value is None:
            return None
        if not isinstance(value, dict):
            self.problem("answer", "'answer' must be a table: [answer]", "answer")
            return None
        values = self._english(value, ANSWER_KEYS, frozenset({"target", "question", "help", "choices", "questions"}), "answer.")
        if action.how != "answer":
            self.problem("answer", 'a question needs call_to_action = { …, how = "answer" }', "answer")
        target, choices = str(values.get("target", "")).strip(), values.get("choices", {})
        if target not in set(AnswerTarget):
            self.problem("answer.target", f"target = '{target}' is not one of {', '.join(AnswerTarget)}", "answer")
            return None
        if not isinstance(choices, dict) or not all(CODE.fullmatch(code) and isinstance(label, str) for code, label in choices.items()):
            self.problem("answer.choices", 'choices are { code = "text", … }; codes have a-z, 0-9 and _ only', "answer")
            choices = {}
        if (target == AnswerTarget.interests) != bool(choices):
            text = "target = 'interests' needs 'choices'" if not choices else "only target = 'interests' has 'choices'"
            self.problem("answer.choices" if choices else "answer", text, "answer")
        questions = self._words(values, "questions")
        if questions and target != AnswerTarget.note:
            self.problem("answer.questions", "only target = 'note' has 'questions'", "answer")
        question = self._text(values, "question", required=True)
        return Answer(AnswerTarget(target), question, self._text(values, "help"), tuple(choices.items()), questions)

    def _days(self, text: str) -> int | None:
        if not text:
            return None
        match = re.fullmatch(r"(\d{1,3})\s*(?:d|t|Tage|days)", text, re.IGNORECASE)
        if match is None:
            self.problem("due", f"'{text}' is no number of days; write \"14d\"")
            return None
        return int(match[1])
