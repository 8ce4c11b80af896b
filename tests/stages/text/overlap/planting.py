"""Documents of made-up words with planted items: verbatim, in other case, width and punctuation, and in part."""

from __future__ import annotations

import random
from dataclasses import dataclass

WORDS = [f"{head}{tail}" for head in ("ba", "ne", "lo", "ti", "ru") for tail in ("rk", "ll", "nt", "ss", "gap", "mon")]
HAN = "春夏秋冬山水风云鱼米面花草木金石土火江河湖海天地人心手足目耳"


@dataclass(frozen=True)
class Planted:
    """Documents, some of which hold an item."""

    items: list[str]
    texts: list[str]
    places: dict[int, int]
    """Number of the item by number of the document that holds it."""


def sentence(draw: random.Random, count: int = 24) -> str:
    """Return made-up words."""
    return " ".join(draw.choices(WORDS, k=count))


def changed(text: str, draw: random.Random) -> str:
    """Return a text in other case, width and punctuation."""
    wide = "".join(
        chr(ord(letter) + 0xFEE0) if "!" <= letter <= "~" and draw.random() < 0.3 else letter for letter in text
    )
    return ", ".join(wide.upper().split(" ")).replace("，", "；") + "!"


def plant(items: int, documents: int, seed: int = 0) -> Planted:
    """Return documents of 350 words. Every fifth item is Chinese. Each stands in one document, in one of four forms."""
    draw = random.Random(seed)
    made = [sentence(draw) if number % 5 else "".join(draw.choices(HAN, k=40)) for number in range(items)]
    texts = [sentence(draw, 350) for _ in range(documents)]
    places = {}
    for number, item in enumerate(made):
        place = number * (documents // items) + number % 2
        part = " ".join(item.split(" ")[4:20]) if " " in item else item[4:34]
        form = (item, changed(item, draw), part, item.capitalize() + "\n")[number % 4]
        texts[place] = f"{texts[place]}\n{form}\n{sentence(draw, 50)}"
        places[place] = number
    return Planted(made, texts, places)
