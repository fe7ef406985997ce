"""How letters are named outside: by what they are, so that a mail server's log can be matched to a database that was restored.

A name says nothing to whoever has no key (MSG-25), and the same letter has the same name in every copy of a database.
"""

from __future__ import annotations

import hmac

from om_campaigns.columns import spell_ref
from om_campaigns.delivery.models import Part


def make_ref(secret: bytes, *, campaign: str, occasion: str, step: str, recipient: str, part: Part, attempt: int) -> str:
    """The ref of one part of one letter: 80 bits of an HMAC (RFC 2104) over its key, 16 letters of base32.

    ``campaign`` is its name and ``recipient`` the public id of person or house, which a restored database has as well; ``attempt`` counts
    the messages made for this part before, from 0: one that was dropped before it was sent keeps its name.
    """
    key = "\0".join(("letter", campaign, occasion, step, recipient, part.value, str(attempt)))
    return spell_ref(int.from_bytes(hmac.digest(secret, key.encode(), "sha256")[:10]))
