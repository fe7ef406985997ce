"""Which words of expressions the data knows, and those of segments that it does not."""

from __future__ import annotations

from sqlalchemy import select
from sqlmodel import Session

from om_campaigns.audience.expressions import Refers, Selects, read
from om_campaigns.audience.expressions.words import CLOSED, SECTORS, UNKNOWN, Words, describe_unknown
from om_campaigns.audience.models import MailingList, Network, Organisation, OrganisationType, Toolkit
from om_campaigns.audience.segments import Segment
from om_campaigns.audience.vocabulary import ORGANISATION_TYPES
from om_campaigns.columns import table_of
from om_campaigns.errors import Problem


def load_words(session: Session) -> dict[Refers, frozenset[str]]:
    """Every word that the data knows by now, by what it names."""
    columns = {
        Refers.organisation: table_of(Organisation).c.slug,
        Refers.network: table_of(Network).c.slug,
        Refers.toolkit: table_of(Toolkit).c.code,
        Refers.mailing_list: table_of(MailingList).c.slug,
    }
    found = {refers: frozenset(session.execute(select(column)).scalars()) for refers, column in columns.items()}
    types = session.execute(select(table_of(OrganisationType).c.code)).scalars()
    return found | {Refers.organisation_type: frozenset({*ORGANISATION_TYPES, *types}), Refers.sector: SECTORS}


def find_unknown_words(segment: Segment, words: Words) -> list[Problem]:
    """Every unknown word of a segment's rule, at its place."""
    found = []
    for each in read(segment.where, Selects(segment.selects)).references:
        if text := describe_unknown(each.refers, each.value, words):
            line = segment.line + each.line - 1
            column = each.column + (segment.column - 1 if each.line == 1 else 0)
            found.append(Problem(segment.file, line, column, UNKNOWN, text, is_warning=each.refers not in CLOSED))
    return found
