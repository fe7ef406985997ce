"""What is worth a line in the log: one function per event, a past-tense dotted name, ids as fields.

No addresses, names or bodies above debug level (LAW-21, SEC-19).
"""

from __future__ import annotations

import structlog

_log = structlog.get_logger("om_campaigns")
