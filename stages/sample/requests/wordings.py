"""Requests about the closed world with their right plans and answers, in English and Chinese. Pure.

stall    a picture's price, translated, and multiplied: two experts wait for the same one
both     the prices of two pictures, added: one expert waits for two
animals  a picture's caption, translated
count    animals counted and multiplied
lookup   a price that pages tell: search, reading, product
today    the date, in Chinese
chat     no expert fits
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from stages.sample.chinese import PLACE_NAMES
from stages.sample.config import Language
from stages.sample.draw import Draw
from stages.sample.pictures.scenes import ANIMALS, COLOURS, FEW, PRICES, Animals, Scene, Stall
from stages.sample.pictures.words import PLURALS, unit, word
from stages.sample.world import World

Kind = Literal["stall", "both", "animals", "count", "lookup", "today", "chat"]
KINDS_OF_REQUESTS: tuple[Kind, ...] = ("stall", "both", "animals", "count", "lookup", "today", "chat")
TEXTS: dict[tuple[Kind, Language], tuple[str, ...]] = {
    ("stall", "en"): (
        "Look at {a}. What does the bread cost there? Say it in Chinese, and say how many coins {n} loaves cost.",
        "I stand at the stall of {a}. Tell me its price of bread in Chinese. How many coins are {n} loaves?",
    ),
    ("stall", "zh"): (
        "看看{a}。那里的面包要多少铜钱？用英语说，再算出{n}个面包要多少铜钱。",
        "用英语说出{a}里面包的价钱，再告诉我买{n}个要多少铜钱。",
    ),
    ("both", "en"): (
        "How many coins do the bread of {a} and the bread of {b} cost together?",
        "I buy a loaf at {a} and one at {b}. How many coins do I pay in all?",
    ),
    ("both", "zh"): ("{a}和{b}的面包各买一个，一共要多少铜钱？", "{a}的面包加{b}的面包，一共多少铜钱？"),
    ("animals", "en"): ("Describe {a} in Chinese.", "What does {a} show? Answer in Chinese."),
    ("animals", "zh"): ("用英语描述{a}。", "{a}里有什么？用英语回答。"),
    ("count", "en"): (
        "How many {animals} are in {a}, and how many coins do they cost at {n} each?",
        "Count the {animals} of {a}. What do they cost if each costs {n} coins?",
    ),
    ("count", "zh"): (
        "{a}里有几{unit}{animal}？每{unit}{n}铜钱，一共要多少？",
        "数数{a}里的{animal}，每{unit}卖{n}铜钱，一共多少铜钱？",
    ),
    ("lookup", "en"): (
        "How many coins do {n} loaves of bread cost in {place}?",
        "I need {n} loaves in {place}. Find the price of bread there and tell me what I pay.",
    ),
    ("lookup", "zh"): ("在{place}买{n}个面包要多少铜钱？", "查一查{place}的面包价，{n}个一共要多少铜钱？"),
    ("today", "en"): ("Which day of the week is it today? Say it in Chinese.", "Tell me today's date in Chinese."),
    ("today", "zh"): ("今天星期几？", "请用中文告诉我今天的日期和星期。"),
    ("chat", "en"): ("Thank you, that was helpful.", "Good evening!"),
    ("chat", "zh"): ("谢谢你的帮助。", "晚上好！"),
}
PRICE: dict[Language, str] = {"en": "How many coins does the bread cost?", "zh": "面包要多少铜钱？"}
COUNT: dict[Language, str] = {"en": "How many {animals} are in the picture?", "zh": "图里有几{unit}{animal}？"}
SEARCH: dict[Language, str] = {"en": "price of bread in {place}", "zh": "{place}的面包要多少铜钱"}
LOOKED_UP: dict[Language, str] = {
    "en": "How many coins does bread cost in {place}?",
    "zh": "{place}的面包要多少铜钱？",
}
OTHER: dict[Language, tuple[str, Language]] = {"en": ("Chinese", "zh"), "zh": ("English", "en")}
"""The language into which a request of a language has something translated."""
BREAD: dict[Language, tuple[str, ...]] = {"en": ("bread",), "zh": ("面包",)}
FRIDAY = ("星期五", "周五", "礼拜五")


@dataclass(frozen=True)
class Wanted:
    """A request with its right plan and answer."""

    kind: Kind
    language: Language
    text: str
    scenes: Mapping[str, Scene]
    """Scenes of its pictures, by file name."""
    plan: tuple[Mapping[str, Any], ...]
    answer: tuple[tuple[str, ...], ...]


def request(world: World, number: int) -> Wanted:
    """Return the request of a number: kinds and languages take turns."""
    kind = KINDS_OF_REQUESTS[number % len(KINDS_OF_REQUESTS)]
    language: Language = "en" if number // len(KINDS_OF_REQUESTS) % 2 == 0 else "zh"
    draw = Draw("request", world.seed, number)
    first, second = Draw("stalls", world.seed, number).sample(range(1, 30), 2)
    a, b, n = f"stall{first}.png", f"stall{second}.png", draw.between(2, 12)
    stalls = {name: Stall(draw.pick(COLOURS), draw.pick(PRICES)) for name in (a, b)}
    animals = Animals(draw.pick(ANIMALS), draw.pick(COLOURS), draw.between(1, FEW))
    fact = draw.pick(world.about("price"))
    place = fact.place if language == "en" else PLACE_NAMES[fact.place]
    blanks = {
        **{"a": a, "b": b, "n": str(n), "place": place, "animals": PLURALS[animals.animal]},
        **{"animal": word(animals.animal, language), "unit": unit(animals.animal)},
    }
    name, other = OTHER[language]
    prices = [int(stall.price) for stall in stalls.values()]
    scenes: Mapping[str, Scene] = {}
    answer: Sequence[Sequence[str]] = ()
    tasks: Sequence[Mapping[str, Any]] = ()
    match kind:
        case "stall":
            scenes, answer = {a: stalls[a]}, (BREAD[other], (str(n * prices[0]),))
            tasks = (see(a, PRICE[language]), translate(name), calculate(f"<GENERATED>-0 * {n}"))
        case "both":
            scenes, answer = stalls, ((str(sum(prices)),),)
            tasks = (see(a, PRICE[language]), see(b, PRICE[language]), calculate("<GENERATED>-0 + <GENERATED>-1"))
        case "animals":
            scenes, answer = {a: animals}, ((word(animals.animal, other),), (word(animals.colour, other),))
            tasks = ({"task": "image-to-text", "args": {"image": a}}, translate(name))
        case "count":
            scenes, answer = {a: animals}, ((str(n * animals.count),),)
            tasks = (see(a, COUNT[language].format(**blanks)), calculate(f"<GENERATED>-0 * {n}"))
        case "lookup":
            answer = ((str(n * int(fact.value)),),)
            tasks = lookup(SEARCH[language].format(**blanks), LOOKED_UP[language].format(**blanks), n)
        case "today":
            tasks, answer = ({"task": "calendar", "args": {}}, translate("Chinese")), (FRIDAY,)
        case "chat":
            pass
    text = draw.pick(TEXTS[kind, language]).format(**blanks)
    return Wanted(kind, language, text, scenes, numbered(tasks), tuple(map(tuple, answer)))


def see(picture: str, question: str) -> Mapping[str, Any]:
    """Return the task to answer a question about a picture."""
    return {"task": "visual-question-answering", "args": {"image": picture, "text": question}}


def translate(language: str) -> Mapping[str, Any]:
    """Return the task to translate the first result."""
    return {"task": "translation", "args": {"text": "<GENERATED>-0", "language": language}}


def calculate(text: str) -> Mapping[str, Any]:
    """Return the task to calculate a sum."""
    return {"task": "calculator", "args": {"text": text}}


def lookup(query: str, question: str, factor: int) -> Sequence[Mapping[str, Any]]:
    """Return the tasks to find a number in documents and to multiply it."""
    read = {"task": "question-answering", "args": {"text": "<GENERATED>-0", "question": question}}
    return {"task": "search", "args": {"text": query}}, read, calculate(f"<GENERATED>-1 * {factor}")


def numbered(tasks: Sequence[Mapping[str, Any]]) -> tuple[Mapping[str, Any], ...]:
    """Return tasks with ids from 0 and the dependencies that their arguments name."""
    found = []
    for number, task in enumerate(tasks):
        values = " ".join(task["args"].values())
        dep = [each for each in range(number) if f"<GENERATED>-{each}" in values] or [-1]
        found.append({"task": task["task"], "id": number, "dep": dep, "args": task["args"]})
    return tuple(found)
