"""Expressions: the one language of segments (``where``), steps (``when``) and ``exit_when``.

Parsed by Jinja's parser, read against a closed list of fields and functions, compiled to SQL conditions.
Pure: no session, no clock, no file. The language is described in ``docs/reference/expressions.md``.
"""

from om_campaigns.audience.expressions.catalogue import FIELDS, FUNCTIONS, Kind, Reference, Refers, Selects
from om_campaigns.audience.expressions.compile import check, compile_condition
from om_campaigns.audience.expressions.parse import split
from om_campaigns.audience.expressions.typed import read

__all__ = ["FIELDS", "FUNCTIONS", "Kind", "Reference", "Refers", "Selects", "check", "compile_condition", "read", "split"]
