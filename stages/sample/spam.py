"""Pages that a filter must drop, one function per rule: a page breaks its own rule and none that comes before it.

Adding a rule takes a function and its row in PLANTED. A function returns the paragraphs of a page. The numbers in them
keep the page on the right side of the other rules; the tests run many draws of each through the real filters.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from stages.sample.draw import Draw, words
from stages.sample.world import PLACES

PLAIN = (
    "The shop has been open since the spring and the owner is glad to meet you.",
    "We ship to every town that you can name and we do it with a smile.",
    "Our friends have told us that the boxes are strong and easy to carry.",
    "You can pay at the door or send the money with the next coach.",
    "There is a garden behind the house where guests like to sit in summer.",
    "Each order is packed by hand and checked twice before it leaves.",
    "If it rains on the way, the driver will cover the goods with a cloth.",
    "The oldest part of the building was once a school for sailors.",
    "Ask the clerk for a list of all that we have in store this month.",
    "Many people write to us, and we try to answer within a week.",
)
"""Plain English around the planted fault, so that a page breaks that rule only."""

WORDS = words(
    "apple brother candle dinner evening finger grandfather handle island journey kitchen ladder",
    "mirror number orchard picture question rabbit summer teacher umbrella village window yellow",
    "always bright careful double early famous gentle heavy indeed joyful kindly lonely merry never",
    "often pretty quiet ready simple tender useful velvet warmly young across behind during inside",
)
SMALL_WORDS = words("I we he it go do am is us me my up at on in so as if or by no to an a oh ox")
LONG_WORDS = words(
    "administration characteristics communication comprehensive consideration correspondence demonstration",
    "determination disappointment encouragement entertainment environmental establishment experimental",
    "extraordinary fundamentally identification immediately independence infrastructure international",
    "interpretation investigation manufacturing mathematical misunderstanding neighbourhood organisation",
    "particularly pharmaceutical philosophical photographic professional psychological recommendation",
    "refrigerator representative responsibility revolutionary satisfaction significantly straightforward",
    "sustainability technological telecommunication transformation transportation understanding",
    "unfortunately unprecedented vulnerability accomplishment acknowledgement advertisement agricultural",
)
NO_STOP_WORDS = (
    "She bought six green apples for her brother this morning.",
    "He always walks home through our small park after work.",
    "They never drink tea before lunch when it rains.",
    "My sister sings while she paints her kitchen door.",
    "Our dog likes old shoes more than any new toy.",
    "Nobody knows where this narrow street ends.",
    "You should read a book about ships some day.",
    "His uncle sells lamps at a market every Friday.",
    "Her garden grows well because it gets enough sun.",
    "We saw three birds on a roof near our school.",
    "Some people sleep late on Sundays, others go for long walks.",
)
SHOUTS = (
    "ORDER NOW AND SAVE MONEY ON ALL GOODS",
    "ONLY THIS WEEK AT YOUR NEAREST SHOP",
    "CALL US TODAY FOR A FREE GIFT",
)


def _plain(draw: Draw, count: int) -> list[str]:
    return draw.sample(PLAIN, count)


def _row(draw: Draw, phrase: str, times: int) -> str:
    """Return a phrase between different places: longer n-grams than the phrase occur once."""
    return " ".join(f"{place} {word} {phrase}" for place, word in zip(draw.sample(PLACES, times), WORDS, strict=False))


def duplicate_lines(draw: Draw) -> list[str]:
    """Return a page of which nearly half the lines repeat an earlier one."""
    line = f"Best offers of the week in {draw.pick(PLACES)}, order now and save."
    return [text for sentence in _plain(draw, 8) for text in (line, sentence)]


def duplicate_line_chars(draw: Draw) -> list[str]:
    """Return a page of which one line in 15 repeats an earlier one, and is by far the longest."""
    long = " ".join([*_plain(draw, 4), f"This waits for you in {draw.pick(PLACES)} and in the towns around it."])
    places = draw.sample(PLACES, 24)
    short = [f"{place} is near {other}" for place, other in zip(places[:12], places[12:], strict=True)]
    return [long, *short[:6], long, *short[6:]]


def top_2_gram(draw: Draw) -> list[str]:
    """Return a page of which a pair of words is about half."""
    return [_row(draw, "wonderful bargains", 22), *_plain(draw, 3)]


def top_3_gram(draw: Draw) -> list[str]:
    """Return a page of which three words are about 24 %, and two of them 15 %."""
    return [_row(draw, "get a ring", 22), *_plain(draw, 4)]


def top_4_gram(draw: Draw) -> list[str]:
    """Return a page of which four words are about 19 %, and three of them 14 %."""
    return [_row(draw, "go by an inn", 18), *_plain(draw, 9)]


def duplicate_5_gram(draw: Draw) -> list[str]:
    """Return a page of eight groups of five words, each three times, in a different order each time."""
    words = draw.sample(WORDS, 40)
    groups = [" ".join(words[start : start + 5]) for start in range(0, 40, 5)]
    return [f"{sentence} " + " ".join(draw.shuffled(groups)) for sentence in _plain(draw, 3)]


def duplicate_8_gram(draw: Draw) -> list[str]:
    """Return a page in which groups of eight words come twice, the second time 13.4 % of the page.

    A repeated group of eight counts in full for 8-grams (limit 12 %), but only 7/8, 6/8 and 5/8 of it for shorter ones.
    """
    words = draw.sample(WORDS, 40)
    groups = [" ".join(words[start : start + 8]) for start in range(0, 40, 8)]
    first = [f"{sentence} {group}" for sentence, group in zip(_plain(draw, 5), groups, strict=True)]
    again = [f"{place} {group}" for place, group in zip(draw.sample(PLACES, 5), groups[::-1], strict=True)]
    page_chars = sum(len(group.replace(" ", "")) for group in groups) / 0.134
    missing = int(page_chars - sum(len(line) + 1 for line in [*first, *again]) - TITLE_CHARS)
    return [*first, *_filling(draw, missing), *again]


TITLE_CHARS = 30
"""Approximate length of a title, for pages whose length matters."""


def _filling(draw: Draw, chars: int) -> list[str]:
    """Return sentences without repeated groups of words, of about `chars` characters in all."""
    lines: list[str] = []
    for place, other in zip(draw.sample(PLACES, 40), draw.sample(WORDS, 40), strict=True):
        if sum(map(len, lines)) + len(lines) >= chars:
            break
        lines.append(f"{other} {place} {draw.pick(SMALL_WORDS)} {draw.pick(LONG_WORDS)} {draw.below(1_000)}")
    return lines


def too_few_words(draw: Draw) -> list[str]:
    """Return a page of about 40 words."""
    return [*_plain(draw, 2), f"Come to {draw.pick(PLACES)} and see it with your own eyes."]


def short_words(draw: Draw) -> list[str]:
    """Return a page whose words have two letters on average."""
    return [" ".join(draw.sample(SMALL_WORDS, 14)) + "." for _ in range(7)]


def long_words(draw: Draw) -> list[str]:
    """Return a page whose words have twelve letters on average."""
    words = draw.sample(LONG_WORDS, 48)
    return ["The " + " ".join(words[start : start + 12]) + "." for start in range(0, 48, 12)]


def hashes(draw: Draw) -> list[str]:
    """Return a page with a hash mark before every fourth word."""
    return [_every(sentence, 4, lambda word: f"#{word}") for sentence in _plain(draw, 6)]


def ellipses(draw: Draw) -> list[str]:
    """Return a page with an ellipsis after every fourth word, but not at line ends."""
    return [_every(sentence, 4, lambda word: f"{word}…") + " So it is." for sentence in _plain(draw, 6)]


def _every(sentence: str, n: int, change: Callable[[str], str]) -> str:
    return " ".join(change(word) if i % n == 1 else word for i, word in enumerate(sentence.split()))


def bullet_lines(draw: Draw) -> list[str]:
    """Return a page on which all lines but the title start with a bullet."""
    return [f"• {sentence}" for sentence in [*_plain(draw, 10), *draw.sample(NO_STOP_WORDS, 8)]]


def ellipsis_lines(draw: Draw) -> list[str]:
    """Return a page on which most lines end with an ellipsis."""
    return [sentence.rstrip(".") + "..." for sentence in _plain(draw, 9)]


def few_alphabetic_words(draw: Draw) -> list[str]:
    """Return a page of which nearly half the words are numbers."""
    numbers = [" ".join(str(draw.between(1_000, 99_999)) for _ in range(9)) for _ in range(6)]
    return [f"{sentence[:-1]} {row}." for sentence, row in zip(_plain(draw, 6), numbers, strict=True)]


def few_stop_words(draw: Draw) -> list[str]:
    """Return a page of English without the eight stop words."""
    return draw.sample(NO_STOP_WORDS, 9)


def too_many_words_removed(draw: Draw) -> list[str]:
    """Return a page of which a tenth is in lines that are deleted."""
    sentences = _plain(draw, 10)
    first, second = draw.sample(SHOUTS, 2)
    return [" ".join(sentences[:5]), first, " ".join(sentences[5:]), second]


class Planted(NamedTuple):
    """A kind of page that the web stage must drop."""

    make: Callable[[Draw], list[str]]
    """Its name is the reason with which the page must be dropped."""
    step: str
    """The step of the web stage that must drop it."""
    per_block: int
    """Pages in a block."""


PLANTED = (
    Planted(duplicate_lines, "repetition", 2),
    Planted(duplicate_line_chars, "repetition", 1),
    Planted(top_2_gram, "repetition", 1),
    Planted(top_3_gram, "repetition", 1),
    Planted(top_4_gram, "repetition", 1),
    Planted(duplicate_5_gram, "repetition", 2),
    Planted(duplicate_8_gram, "repetition", 1),
    Planted(too_few_words, "quality", 4),
    Planted(short_words, "quality", 1),
    Planted(long_words, "quality", 1),
    Planted(hashes, "quality", 1),
    Planted(ellipses, "quality", 1),
    Planted(bullet_lines, "quality", 1),
    Planted(ellipsis_lines, "quality", 1),
    Planted(few_alphabetic_words, "quality", 1),
    Planted(few_stop_words, "quality", 2),
    Planted(too_many_words_removed, "lines", 1),
)
"""One row for each rule, in an order that is part of the sample's bytes."""
MAKERS = {planted.make.__name__: planted.make for planted in PLANTED}
"""By reason."""


def spam(draw: Draw, reason: str) -> tuple[str, list[str]]:
    """Return the title and the paragraphs of a page that must be dropped for this reason."""
    title = {"short_words": "So we go", "few_stop_words": f"Small talk from {draw.pick(PLACES)}"}
    return title.get(reason, f"Notes from the shop in {draw.pick(PLACES)}"), MAKERS[reason](draw)


def short(draw: Draw) -> tuple[str, list[str]]:
    """Return the title and the paragraphs of a page of less than fifty words."""
    return spam(draw, "too_few_words")
