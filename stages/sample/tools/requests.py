"""Requests to the town hall in English and Chinese, to train on and held out, and requests that no API serves.

Held out are wordings, places, numbers and things: a held-out request has a wording and values that no other one has.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from stages.formats.calls.questions import Question
from stages.sample.chinese import PLACE_NAMES
from stages.sample.config import LANGUAGES
from stages.sample.draw import Draw
from stages.sample.tools.town import MODELS, OPERATIONS, SIZES, THINGS, UNKNOWN, api_of, api_of_model
from stages.sample.world import PLACES

WORDINGS: dict[tuple[str, str], tuple[str, ...]] = {
    ("hire", "en"): (
        "I need a {thing} in {place} for {days} days.",
        "Please get me a {thing} in {place} for {days} days.",
        "We want to use a {thing} of {place} for {days} days.",
        "Can I have a {thing} for {days} days in {place}?",
        "For {days} days I would like a {thing} in {place}.",
    ),
    ("hire", "zh"): (
        "我想在{place}租{thing}{days}天。",
        "请在{place}给我{thing}，要用{days}天。",
        "{place}的{thing}我要租{days}天。",
    ),
    ("price", "en"): (
        "What does a {thing} cost in {place}?",
        "How many coins do I pay for a {thing} in {place}?",
        "Tell me the price of a {thing} in {place}.",
        "In {place}, is a {thing} dear?",
        "For how many coins does {place} lend a {thing}?",
    ),
    ("price", "zh"): (
        "{place}的{thing}要多少铜钱？",
        "在{place}租{thing}要付多少铜钱？",
        "请说出{place}的{thing}是什么价。",
    ),
    ("bring_back", "en"): (
        "I bring back {thing} {number} in {place}.",
        "Please take {thing} {number} back in {place}.",
        "We are done with {thing} {number} of {place}.",
        "In {place} I give back {thing} {number}.",
        "I no longer use {thing} {number}, I am in {place} to return it.",
    ),
    ("bring_back", "zh"): (
        "我在{place}还{thing}，是{number}号。",
        "请在{place}收回{number}号{thing}。",
        "{place}的{number}号{thing}我用完了。",
    ),
    ("repair", "en"): (
        "The {thing} {number} of {place} is broken.",
        "Please mend {thing} {number} in {place}.",
        "In {place} the {thing} {number} does not work.",
        "Somebody must look at {thing} {number} in {place}.",
        "I broke {thing} {number} in {place}, please help.",
    ),
    ("repair", "zh"): (
        "{place}的{number}号{thing}坏了。",
        "请在{place}修{number}号{thing}。",
        "{number}号{thing}在{place}不能用了。",
    ),
}
"""Wordings of each operation; the last one is held out."""
DEMANDS: dict[tuple[str, str], tuple[str, ...]] = {
    ("translation", "en"): (
        "Translate my letter, at least {accuracy} of 100 words right, at most {mb} MB.",
        "My letter must be in another language: {accuracy} of 100 words right, {mb} MB or less.",
        "I want a letter in other words: at most {mb} MB and at least {accuracy} of 100 words right.",
    ),
    ("translation", "zh"): (
        "请翻译我的信，一百字要对{accuracy}字，最多{mb}兆。",
        "翻译一封信，最多{mb}兆，一百字至少对{accuracy}字。",
    ),
    ("image-to-text", "en"): (
        "Read this old letter, at least {accuracy} of 100 words right, at most {mb} MB.",
        "What does the old letter say? {accuracy} of 100 words right, {mb} MB or less.",
        "I cannot read an old letter: at most {mb} MB and at least {accuracy} of 100 words right.",
    ),
    ("image-to-text", "zh"): (
        "请读这封旧信，一百字要对{accuracy}字，最多{mb}兆。",
        "读一封旧信，最多{mb}兆，一百字至少对{accuracy}字。",
    ),
}
"""Requests for a model of a task that meets a constraint; the last one is held out."""
HELD_OUT_PLACES = 16
OTHER_THINGS = len(UNKNOWN) * 2 // 3
"""Unknown things of requests to train on."""
MAX_NUMBER = 98


def requests(seed: int, held_out: bool, repeats: int) -> Iterator[Question]:
    """Yield requests: `repeats` of each API and wording, then one that no API serves for every four of them."""
    found = [*_about_things(seed, held_out, repeats), *_about_models(seed, held_out, repeats)]
    yield from found
    yield from _unserved(seed, held_out, len(found) // 4)


def wordings(forms: Sequence[str], held_out: bool) -> Sequence[str]:
    """Return the forms to train on, or the held-out one."""
    return forms[-1:] if held_out else forms[:-1]


def places(seed: int, held_out: bool) -> Sequence[str]:
    """Return the places to train on, or the held-out ones."""
    drawn = Draw("places of requests", seed).shuffled(PLACES)
    return drawn[:HELD_OUT_PLACES] if held_out else drawn[HELD_OUT_PLACES:]


def _about_things(seed: int, held_out: bool, repeats: int) -> Iterator[Question]:
    for thing in THINGS:
        for operation in OPERATIONS:
            for language in LANGUAGES:
                for at, form in enumerate(wordings(WORDINGS[operation.name, language], held_out)):
                    for number in range(repeats):
                        key = f"{operation.name}-{thing}-{language}-{at}-{number}"
                        values = _values(Draw("request", seed, held_out, key), seed, held_out, language)
                        text = form.format(**values, thing=thing if language == "en" else THINGS[thing])
                        kept = {name: values[name] for name in operation.parameters}
                        yield Question(id=key, text=text, api=api_of(operation, thing, **kept))


def _about_models(seed: int, held_out: bool, repeats: int) -> Iterator[Question]:
    for model in MODELS:
        place = SIZES.index((model.accuracy, model.size))
        worse = SIZES[place - 1][0] if place else 50
        larger = SIZES[place + 1][1] if place + 1 < len(SIZES) else 320
        for language in LANGUAGES:
            for at, form in enumerate(wordings(DEMANDS[model.task, language], held_out)):
                for number in range(repeats):
                    key = f"{model.name.replace('/', '-')}-{language}-{at}-{number}"
                    draw = Draw("demand", seed, held_out, key)
                    accuracy = draw.pick(numbers(worse + 1, model.accuracy, held_out))
                    mb = draw.pick(numbers(model.size, larger - 1, held_out))
                    yield Question(id=key, text=form.format(accuracy=accuracy, mb=mb), api=api_of_model(model))


def _unserved(seed: int, held_out: bool, count: int) -> Iterator[Question]:
    unknown = [*UNKNOWN][OTHER_THINGS:] if held_out else [*UNKNOWN][:OTHER_THINGS]
    for number in range(count):
        draw = Draw("unserved", seed, held_out, number)
        language, operation, thing = draw.pick(LANGUAGES), draw.pick(OPERATIONS), draw.pick(unknown)
        form = draw.pick(wordings(WORDINGS[operation.name, language], held_out))
        values = _values(draw, seed, held_out, language)
        text = form.format(**values, thing=thing if language == "en" else UNKNOWN[thing])
        yield Question(id=f"unserved-{language}-{number}", text=text, api=None)


def _values(draw: Draw, seed: int, held_out: bool, language: str) -> dict[str, Any]:
    """Return the values of a request. A call has them as the request has them."""
    place = draw.pick(places(seed, held_out))
    days, number = (draw.pick(numbers(2, MAX_NUMBER, held_out)) for _ in range(2))
    return {"place": place if language == "en" else PLACE_NAMES[place], "days": days, "number": number}


def numbers(low: int, high: int, held_out: bool) -> list[int]:
    """Return the numbers from low to high to train on, or the held-out ones, which are multiples of seven."""
    return [number for number in range(low, high + 1) if (number % 7 == 0) == held_out]
