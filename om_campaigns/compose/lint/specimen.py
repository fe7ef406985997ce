"""A letter that shows everything a layout can: every block, heading, list, table and way to act, in the colours of one brand.

What the lint finds in it is a fault of the layout or the brand; so a fault of the look is told once, not with every text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from om_campaigns.compose.edition import EditionInput, Purpose
from om_campaigns.compose.step_checks import language_of

NOT_BLOCKS = frozenset({"text", "action"})
PATH = "campaigns/{}.{}.md"

HEAD = """+++
subject = "Alles, was ein Brief zeigen kann"
preheader = "Jeder Baustein, jede Liste und jeder Weg zu handeln in einem Brief."
ideas = ["use_potentials"]
layout = "{layout}"
call_to_action = {{ text = "Gesprächspartner in Ihrer Region finden", how = "{how}"{target} }}
+++
"""
BODY = """{{ contact.greeting }},

im Betrieb am Ortsrand fehlen **zwei Gesellen** für die Montage. Mehr dazu im [Wegweiser der Region](https://om.example/wegweiser).

## Und danach?

- Notieren, wer geholfen hat.
- Zwei Sätze weitererzählen, etwa mit `Kennwort`.

![Zwei Menschen am Gartenzaun](https://om.example/gartenzaun.png){width=520 height=200}

> Ein Anruf dauert keine zehn Minuten – und erspart dem Betrieb drei Termine.

| Haus | Wofür |
|---|---|
| Krankenkasse | Gesundheit im Betrieb |

### Zum Schluss

1. Einen Termin machen.
2. Eine Person mitnehmen.
"""
BLOCK = """
::: {name}
Sie sagen **einen** Satz und zeigen den [Leitfaden für {name}](https://om.example/leitfaden/{name}).
:::
"""


def make_specimen(like: EditionInput, layout: str, brand: str, purpose: Purpose) -> EditionInput:
    """The input of a specimen in the same house and workspace as ``like``: a letter with a button, a pack with a quiet action."""
    how, target = ("offline", "") if purpose is Purpose.pack else ("link", ', target = "https://om.example/finden"')
    source = HEAD.format(layout=layout, how=how, target=target) + BODY + "".join(_blocks(like.files, purpose))
    path = PATH.format(f"{layout}.{brand}", language_of(like.step_path))
    context = {**like.context, "sender": "home"}
    return replace(
        like, files={**like.files, path: source}, step_path=path, brand=brand, purpose=purpose, context=context, note="", language="de"
    )


def _blocks(files: Mapping[str, str], purpose: Purpose) -> list[str]:
    names = sorted(path[7:-5] for path in files if path.startswith("blocks/") and path.endswith(".mjml"))
    left_out = NOT_BLOCKS | ({"note"} if purpose is Purpose.pack else set())
    return [BLOCK.format(name=name) for name in names if name not in left_out]
