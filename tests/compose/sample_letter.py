"""The letter the composing tests are about: texts of its own, never the starter texts."""

from __future__ import annotations

from collections.abc import Callable

from om_campaigns.compose.edition import EditionInput

Given = Callable[..., EditionInput]
"""``given(source, brand=…, language=…, files=…, **context)``, see conftest."""

HEAD = """+++
subject = "Der kurze Weg zum Nachbarhaus"
preheader = "Ein Gespräch am Gartenzaun ersetzt drei Rundschreiben."
ideas = ["regional_cooperation"]
call_to_action = { text = "Gesprächspartner finden", how = "link", target = "https://haus.example/finden" }
+++
"""

LETTER = (
    HEAD
    + """Guten Tag {{ contact.full_name }},

im Betrieb am Ortsrand fehlen **zwei Gesellen**, z. B. für die Montage. Wer hilft? Drei Häuser wissen Rat, keines fragt die anderen.

::: offers {#offers locked}
Namen und Rufnummern in {{ region.name }}, gesammelt von {{ org.name }}.
:::

::: say {#say editable}
"Ich frage eben nach und sage Ihnen bis Donnerstag Bescheid."
:::

::: do {#do}
Rufen Sie **eine** Person an. Mehr steht im [Wegweiser](https://haus.example/wegweiser?seite=2&teil=3).
:::

Ein Anruf dauert keine zehn Minuten – und erspart dem Betrieb drei Termine.
"""
)


def letter(body: str, head: str = HEAD) -> str:
    """A step file with a given text."""
    return head + body
