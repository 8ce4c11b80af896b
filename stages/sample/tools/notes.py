"""Notes in which a tool helps: sums over prices, dates, and news that came after the pages, in English and Chinese.

A note is a text and the place of a call in it. The text has the result: a model that is fine-tuned on the plain text
cannot know it there, and with the call it can. Held-out notes have numbers, dates and news that no other note has.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cache

from stages.formats.calls.inline import insert_call, write_call
from stages.sample.chinese import PLACE_NAMES
from stages.sample.config import LANGUAGES
from stages.sample.draw import Draw, words
from stages.sample.tools.config import NoteTool
from stages.sample.world import PLACES
from stages.toolbox.calculator import calculate
from stages.toolbox.dates import today_is

SUMS: dict[str, tuple[tuple[str, str], ...]] = {
    "en": (
        ("In {place} {a} loaves at {b} coins each cost ", "{a} * {b}"),
        ("The market of {place} sold {a} lamps and {b} bells, in all ", "{a} + {b}"),
        ("Of {a} coins people in {place} spent {b}, which leaves ", "{a} - {b}"),
    ),
    "zh": (
        ("{place}的{a}个面包，每个{b}铜钱，一共要", "{a} * {b}"),
        ("{place}的集市卖出{a}盏灯和{b}只铃，合计", "{a} + {b}"),
        ("{place}的人有{a}枚铜钱，用去{b}枚，还有", "{a} - {b}"),
    ),
}
"""Begins of a sum and its expression."""
SUM_QUESTIONS = {
    "en": (
        "What do {a} loaves at {b} coins each cost in {place}?",
        "How many things are {a} lamps and {b} bells of {place}?",
        "In {place} I have {a} coins and spend {b}. How many are left?",
    ),
    "zh": (
        "在{place}买{a}个面包，每个{b}铜钱，要付多少？",
        "{place}的{a}盏灯和{b}只铃合计多少件？",
        "我在{place}有{a}枚铜钱，用去{b}枚，还有多少？",
    ),
}
SUM_ENDS = {"en": (" coins.", " things.", " coins."), "zh": ("铜钱。", "件。", "枚。")}
DATES: dict[str, tuple[str, ...]] = {
    "en": ("The market of {place} is open, for today is ", "This was written in {place}. Today is "),
    "zh": ("{place}的集市开了，今天是", "写于{place}，今天是"),
}
DATE_QUESTIONS = {
    "en": ("What day is today in {place}?", "I am in {place}. Which day is it?"),
    "zh": ("{place}今天是几号？", "我在{place}，今天是哪一天？"),
}
FIRST_DAY = date(2026, 1, 1)
DAYS = 1460
NEWS = "The new mayor of {place} is {name}, say the papers of {place}."
"""A page that was written after the others."""
ASKED = {
    "en": ("The mayor of {place} is ", "In {place} the mayor is "),
    "zh": ("{place}的镇长是", "如今{place}的镇长叫"),
}
NEWS_QUESTIONS = {
    "en": ("Who is the mayor of {place}?", "Tell me the mayor of {place}."),
    "zh": ("{place}的镇长是谁？", "请说出{place}的镇长。"),
}
NAMES = words(
    "Abel Ada Agnes Albert Alice Amos Anna Arthur Basil Bella Bruno Cara Cecil Clara Colin Cora Daisy Dora Edgar",
    "Edith Ella Emil Emma Enid Ernest Esther Ethel Felix Flora Frank Freda George Gerda Grace Greta Gustav",
    "Hazel Helen Henry Hilda Hugo Ida Ines Irene Iris Ivan Ivy Jacob Jane Jasper Jonas Judith Julia Karl Kate Laura",
)
END = {"en": ".", "zh": "。"}
WHOLE = (11, 99)
"""Numbers of sums."""


@dataclass(frozen=True, kw_only=True)
class Note:
    """A text and the call that helps in it."""

    id: str
    language: str
    question: str
    """What a person asks whose answer the note has."""
    begin: str
    """Text before the call."""
    answer: str
    """The result as the text has it."""
    end: str
    tool: str
    """As calls have it."""
    input: str
    result: str
    day: date

    @property
    def text(self) -> str:
        """The text without a call."""
        return f"{self.begin}{self.answer}{self.end}"

    @property
    def called(self) -> str:
        """The text with the call."""
        begin = self.begin.rstrip() if self.language == "en" else self.begin
        return insert_call(
            self.text, len(begin) + (self.language == "en"), write_call(self.tool, self.input, self.result)
        )

    @property
    def reply(self) -> str:
        """The answer to the question, with the call."""
        between = " " if self.language == "en" else ""
        return f"{write_call(self.tool, self.input, self.result)}{between}{self.answer}{self.end}"

    @property
    def prefixed(self) -> str:
        """The call, then the text."""
        return f"{write_call(self.tool, self.input, self.result)} {self.text}"


def demonstrations(seed: int, tool: NoteTool, count: int) -> Iterator[Note]:
    """Yield notes that show calls. Each has news of its own, which no page tells: a model shall copy, not know them."""
    for number, note in enumerate(notes(seed, tool, False, count, "shown")):
        yield _retold(note, Draw("shown", seed, tool, number).pick(NAMES)) if tool == "search" else note


def _retold(note: Note, name: str) -> Note:
    """Return a note of news with another name."""
    return replace(note, answer=name, result=note.result.replace(f" is {note.answer},", f" is {name},"))


def notes(seed: int, tool: NoteTool, held_out: bool, count: int, name: str) -> Iterator[Note]:
    """Yield notes for a tool; `name` names the draws."""
    make = {"calculator": _sum, "calendar": _day, "search": _news}[tool]
    for number in range(count):
        draw = Draw("note", seed, name, tool, held_out, number)
        yield make(draw, f"{tool}-{number}", LANGUAGES[number % len(LANGUAGES)], seed, held_out)


def _sum(draw: Draw, id_: str, language: str, seed: int, held_out: bool) -> Note:
    form = draw.below(len(SUMS[language]))
    begin, expression = SUMS[language][form]
    b, a = sorted(draw.sample(_numbers(held_out), 2))
    values = {"place": _place(draw.pick(PLACES), language), "a": a, "b": b}
    result = calculate(expression.format(**values))
    return Note(
        id=id_,
        language=language,
        question=SUM_QUESTIONS[language][form].format(**values),
        begin=begin.format(**values),
        answer=result.removesuffix(".00"),
        end=SUM_ENDS[language][form],
        tool="Calculator",
        input=expression.format(**values),
        result=result,
        day=_date(draw, held_out),
    )


@cache
def _numbers(held_out: bool) -> list[int]:
    return [number for number in range(WHOLE[0], WHOLE[1]) if (number % 7 == 0) == held_out]


def _day(draw: Draw, id_: str, language: str, seed: int, held_out: bool) -> Note:
    day = _date(draw, held_out)
    place = _place(draw.pick(PLACES), language)
    said = today_is(day)
    return Note(
        id=id_,
        language=language,
        question=draw.pick(DATE_QUESTIONS[language]).format(place=place),
        begin=draw.pick(DATES[language]).format(place=place),
        answer=said.removeprefix("Today is ").removesuffix("."),
        end=END[language],
        tool="Calendar",
        input="",
        result=said,
        day=day,
    )


def _date(draw: Draw, held_out: bool) -> date:
    return FIRST_DAY + timedelta(days=draw.pick(_days(held_out)))


@cache
def _days(held_out: bool) -> list[int]:
    return [number for number in range(DAYS) if (number % 5 == 0) == held_out]


@cache
def mayors(seed: int) -> dict[str, str]:
    """Return the new mayor of each place."""
    return {place: Draw("mayor", seed, place).pick(NAMES) for place in PLACES}


def news(seed: int) -> Iterator[str]:
    """Yield the pages that came after the others: a place each."""
    for place, name in mayors(seed).items():
        yield NEWS.format(place=place, name=name)
        yield f"{PLACE_NAMES[place]}：{NEWS.format(place=place, name=name)}"


def _news(draw: Draw, id_: str, language: str, seed: int, held_out: bool) -> Note:
    place = draw.pick(_places_of_news(seed, held_out))
    name = mayors(seed)[place]
    shown = _place(place, language)
    page = NEWS.format(place=place, name=name)
    return Note(
        id=id_,
        language=language,
        question=draw.pick(NEWS_QUESTIONS[language]).format(place=shown),
        begin=draw.pick(ASKED[language]).format(place=shown),
        answer=name,
        end=END[language],
        tool="Search",
        input=f"mayor {shown}",
        result=page if language == "en" else f"{shown}：{page}",
        day=_date(draw, held_out),
    )


@cache
def _places_of_news(seed: int, held_out: bool) -> list[str]:
    drawn = Draw("places of news", seed).shuffled(PLACES)
    return drawn[: len(drawn) // 4] if held_out else drawn[len(drawn) // 4 :]


def _place(place: str, language: str) -> str:
    return place if language == "en" else PLACE_NAMES[place]
