"""Conversations in which the assistant repeats what a person lists: a small model learns to copy from them.

Pages tell a fact again and again in the same words, so that a model knows it by heart and copies nothing. A call has a
place and numbers that no page joins. The lists have all places and numbers, those of held-out requests included: a
tokenizer cuts a word in quotation marks into other pieces than the word behind a space, and each must be seen once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from stages.formats.chat.chats import Chat, text_message
from stages.sample.chinese import PLACE_NAMES
from stages.sample.config import LANGUAGES
from stages.sample.draw import Draw
from stages.sample.tools.notes import NAMES
from stages.sample.tools.town import THINGS, UNKNOWN
from stages.sample.world import PLACES

SAID = {
    "en": ("Repeat: {list}", "Say again: {list}", "Write {list} once more."),
    "zh": ("请重复：{list}", "再说一遍：{list}", "请再写一次{list}。"),
}
"""Wordings for the list as it is."""
LISTED = {
    "en": ("As a list: {list}", "Make a list of {list}."),
    "zh": ("列成表：{list}", "请把{list}列成表。"),
}
"""Wordings for the list as Python writes it."""
WORDS: dict[str, tuple[str, ...]] = {
    "en": (*PLACES, *NAMES, *THINGS, *UNKNOWN),
    "zh": (*PLACE_NAMES.values(), *THINGS.values(), *UNKNOWN.values()),
}
BETWEEN = {"en": ", ", "zh": "，"}
ITEMS = (1, 6)
NUMBERS, MORE_NUMBERS = (2, 99), (100, 9999)
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def quotes(seed: int, count: int, source: str) -> Iterator[Chat]:
    """Yield conversations with different lists."""
    for number in range(count):
        draw = Draw("quote", seed, number)
        language = LANGUAGES[number % len(LANGUAGES)]
        items = [_item(draw, language) for _ in range(draw.between(*ITEMS))]
        is_listed = draw.chance(0.5)
        said = BETWEEN[language].join(map(str, items))
        question = draw.pick((LISTED if is_listed else SAID)[language]).format(list=said)
        messages = (text_message("user", question), text_message("assistant", repr(items) if is_listed else said))
        yield Chat(id=f"quote-{number}", messages=messages, provenance={"source": source})


def _item(draw: Draw, language: str) -> str | int:
    """Return a number in half of the calls, else a word of the language or some letters."""
    kind = draw.below(10)
    if kind < 4:
        return draw.between(*NUMBERS)
    if kind < 5:
        return draw.between(*MORE_NUMBERS)
    return _letters(draw) if kind < 6 else draw.pick(WORDS[language])


def _letters(draw: Draw) -> str:
    letters: Sequence[str] = [draw.pick(LETTERS) for _ in range(draw.between(2, 5))]
    return "".join(letters)
