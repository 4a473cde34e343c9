"""The card of a model as the narrow panel shows it."""

from __future__ import annotations

import re


def cardText(card: str) -> str:
    """Markdown whose headings are bold lines: as headings they would be larger than everything around them.

    The first heading, the title, is left out where the card begins with it: it stands above the card.
    """
    text = re.sub(r"\A\s*# .*\n", "", card)
    return re.sub(r"^#+ +(.*?) *#*$", r"**\1**\n", text, flags=re.MULTILINE)
