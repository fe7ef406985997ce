"""Answering a letter: its link shows the question, a button sends the answer."""

from __future__ import annotations

from fastapi import APIRouter, HTTPException, Request, Response

from om_campaigns import store
from om_campaigns.letters.pages import Face, load_face
from om_campaigns.reader.answers import Question, Typed, answer, count_answer, find_faults, find_question
from om_campaigns.web.forms import TheForm, has_key, make_key
from om_campaigns.web.site import Site, TheSite, Token

router = APIRouter()

PURPOSE = "antwort"
NOTHING = Typed("", "", (), ())


@router.get("/antwort/{token}", response_class=Response)
def asked(request: Request, site: TheSite, token: Token) -> Response:
    """The question; opening it says nothing."""
    question, face = _meet(request, site, token)
    return _show(request, site, token, question, face)


@router.post("/antwort/{token}", response_class=Response)
def answered(request: Request, site: TheSite, token: Token, form: TheForm) -> Response:
    """Records the answer, for the house the letter went to."""
    question, face = _meet(request, site, token)
    texts = tuple(form[f"text-{number}"] for number in range(1, len(question.lines) + 1))
    typed = Typed(form["name"], form["email"], form.all("auswahl"), texts)
    if not has_key(site, form, PURPOSE, token):
        return _show(request, site, token, question, face, typed, is_again=True)
    if faults := find_faults(question, typed):
        return _show(request, site, token, question, face, typed, faults)
    if not count_answer(site.app, question, site.app.now()):
        return _show(request, site, token, question, face, typed, is_often=True)
    answer(site.app, question, typed, site.app.now())
    return site.show(request, "answered.html", face=face, stored=question.visitor.language, question=question, typed=typed)


def _meet(request: Request, site: Site, token: str) -> tuple[Question, Face]:
    with store.read(site.app.engine) as session:
        question = find_question(site.app, session, token)
        if question is not None:
            language = site.language(request, question.visitor.language)
            question = find_question(site.app, session, token, language)
        if question is None:
            raise HTTPException(404)
        return question, load_face(site.app, session, question.visitor.organisation_id)


def _show(
    request: Request, site: Site, token: str, question: Question, face: Face, typed: Typed = NOTHING, faults: list[str] | None = None,
    *, is_again: bool = False, is_often: bool = False,
) -> Response:  # fmt: skip
    status = 429 if is_often else 400 if faults or is_again else 200
    return site.show(
        request, "answer.html", face=face, stored=question.visitor.language, status=status, question=question, typed=typed,
        wrong=faults or [], is_again=is_again, is_often=is_often, key=make_key(site, PURPOSE, token),
    )  # fmt: skip
