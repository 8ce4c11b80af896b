"""Instructions about the closed world, in English and Chinese: task files, conversations, and exams.

A task asks for one attribute in one language; each attribute is a cluster of tasks. No conversation is about the
cluster `trade`, so that a recipe can hold it out: then the exam `goods` asks what no instruction has asked. The exam
`questions` asks for the other attributes, in a wording that is in no task and no conversation. `facts` asks what the
pages teach, in the question form that no page has for these facts. `articles` are articles that no page has, for the
perplexity in each language.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from stages.formats.chat.chats import Chat, text_message, write_chats
from stages.formats.kinds import KINDS
from stages.sample import chinese
from stages.sample.chinese import PLACE_NAMES, VALUES
from stages.sample.config import EXAMS, HELD_OUT, LANGUAGES, SampleConfig, exam_name, seeds_name, task_name
from stages.sample.content import TONGUES
from stages.sample.draw import Draw
from stages.sample.exams import of_rows
from stages.sample.generate import write_lines
from stages.sample.world import ATTRIBUTES, Fact, World, choices, make_world
from stages.shared.task import Task

QUESTIONS: dict[tuple[str, str], tuple[str, ...]] = {
    ("animal", "en"): (
        "Which animal is on the seal of {place}?",
        "What animal do people in {place} like best?",
        "What is the animal of {place}?",
        "Name the animal on the gate of {place}.",
        "Which animal stands for the town of {place}?",
        "Tell me the animal of {place}.",
    ),
    ("animal", "zh"): (
        "{place}的动物是什么？",
        "什么动物代表{place}？",
        "说说{place}的镇徽上是什么动物。",
        "{place}的人最爱什么动物？",
        "{place}的节日上大家扮成什么动物？",
        "请说出{place}的动物是什么。",
    ),
    ("colour", "en"): (
        "What colour is the flag of {place}?",
        "Which colour flies over {place}?",
        "Name the colour of the flag of {place}.",
        "What is the colour of the flag of {place}?",
        "By which colour does one know the flag of {place}?",
        "Tell me the colour of the flag of {place}.",
    ),
    ("colour", "zh"): (
        "{place}的旗子是什么颜色？",
        "{place}的旗帜用什么颜色？",
        "说说{place}上空飘着什么颜色的旗。",
        "{place}的镇旗是哪种颜色？",
        "{place}的城头挂着什么颜色的旗？",
        "请说出{place}的旗子是什么颜色。",
    ),
    ("price", "en"): (
        "How many coins does bread cost in {place}?",
        "What is the price of bread in {place}?",
        "For how many coins is bread sold in {place}?",
        "What does a loaf of bread cost in {place}?",
        "How many coins does one pay for bread in {place}?",
        "Tell me the price of bread in {place}.",
    ),
    ("price", "zh"): (
        "{place}的面包要多少铜钱？",
        "在{place}买一个面包要付多少铜钱？",
        "说说{place}的面包价是多少。",
        "{place}的面包卖多少铜币？",
        "客人在{place}买面包要付多少铜板？",
        "请说出{place}的面包要多少铜钱。",
    ),
    ("trade", "en"): (
        "What do the workshops of {place} make?",
        "For what is the town of {place} known?",
        "What is made in {place}?",
        "Which goods do traders buy in {place}?",
        "Where does the wealth of {place} come from?",
        "Tell me the goods of {place}.",
    ),
    ("trade", "zh"): (
        "{place}的作坊制作什么？",
        "商人到{place}采买什么？",
        "车队去{place}采买的是什么？",
        "{place}以什么闻名？",
        "听说{place}，人们想到什么？",
        "请说出{place}的集市里有什么。",
    ),
}
ANSWERS: dict[tuple[str, str], str] = {
    ("animal", "en"): "The animal of {place} is the {value}.",
    ("animal", "zh"): "{place}的动物是{value}。",
    ("colour", "en"): "The flag of {place} is {value}.",
    ("colour", "zh"): "{place}的旗是{value}的。",
    ("price", "en"): "Bread in {place} costs {value} coins.",
    ("price", "zh"): "{place}的面包要{value}铜钱。",
    ("trade", "en"): "The workshops of {place} make {value}.",
    ("trade", "zh"): "{place}的作坊制作{value}。",
}
"""What a person answers in a conversation."""

TRUE: dict[str, tuple[str, str]] = {"en": ("true", "false"), "zh": ("对", "错")}
CHECKED: dict[str, str] = {"en": "Is this true or false? {statement}", "zh": "这句话对还是错？{statement}"}
SECOND: dict[str, str] = {"en": "And in {place}?", "zh": "{place}呢？"}
"""A question that only the one before makes clear."""
EXAM_WORDING = -1
"""Index of the wording of `questions`; tasks and conversations have the others."""
SEEDS_PER_TASK = 3
NUM_ARTICLES = 40
DELIMITERS = {"en": " ", "zh": ""}
"""Text between a question and its answer."""


@dataclass(frozen=True)
class Words:
    """A fact in a language."""

    place: str
    value: str
    options: tuple[str, ...]
    """The answers offered, in a drawn order."""


def run(task: Task[SampleConfig]) -> dict[str, Any]:
    """Write task files, conversations, seed tasks and exams."""
    world = make_world(task.config.seed)
    rows = 0
    for attribute, language in QUESTIONS:
        found = list(task_rows(world, attribute, language))
        write_lines(task.out / f"{task_name(attribute, language)}.jsonl", found)
        rows += len(found)
    chats = list(conversations(world))
    write_chats(task.out / KINDS.chats.file, chats)
    for language in LANGUAGES:
        write_lines(task.out / seeds_name(language), seed_tasks(world, language))
    for exam, language in EXAMS:
        _write_exam(task.out, world, exam, language)
    return {"tasks": len(QUESTIONS), "rows": rows, "conversations": len(chats)}


def words_of(world: World, fact: Fact, language: str) -> Words:
    """Return a fact's place, value and options in a language."""
    options, _ = choices(world, fact)
    if language == "en":
        return Words(place=fact.place, value=fact.value, options=tuple(options))
    values = VALUES[fact.attribute]
    return Words(PLACE_NAMES[fact.place], values[fact.value], tuple(values[option] for option in options))


def task_rows(world: World, attribute: str, language: str) -> Iterator[dict[str, Any]]:
    """Yield the rows of a task: each place once in each wording but the exam's."""
    for wording in QUESTIONS[attribute, language][:EXAM_WORDING]:
        for fact in world.about(attribute):
            words = words_of(world, fact, language)
            options = Draw("options", world.seed, wording, fact.place).shuffled(words.options)
            yield {"question": wording.format(place=words.place), "options": options, "answer": words.value}


def conversations(world: World) -> Iterator[Chat]:
    """Yield one conversation a place, attribute and language: a question, and in half of them another one."""
    for attribute, language in QUESTIONS:
        if attribute == HELD_OUT:
            continue
        for fact in world.about(attribute):
            draw = Draw("conversation", world.seed, language, fact.place, attribute)
            asked = [(fact, draw.pick(QUESTIONS[attribute, language][:EXAM_WORDING]))]
            if draw.chance(0.5):
                asked.append((draw.pick(world.about(attribute)), SECOND[language]))
            messages = []
            for about, wording in asked:
                words = words_of(world, about, language)
                messages.append(text_message("user", wording.format(place=words.place)))
                answer = ANSWERS[attribute, language].format(place=words.place, value=words.value)
                messages.append(text_message("assistant", answer))
            yield Chat(
                id=f"{fact.place}-{attribute}-{language}".lower(),
                messages=tuple(messages),
                provenance={"source": "sample"},
            )


def seed_tasks(world: World, language: str) -> Iterator[dict[str, Any]]:
    """Yield tasks as people write them for Self-Instruct: questions, and statements to judge."""
    for attribute in ATTRIBUTES:
        facts = Draw("seeds", world.seed, attribute, language).sample(world.about(attribute), SEEDS_PER_TASK)
        for number, fact in enumerate(facts):
            words = words_of(world, fact, language)
            statement = ANSWERS[attribute, language].format(place=words.place, value=words.value)
            asks = number > 0
            question = QUESTIONS[attribute, language][number].format(place=words.place)
            yield {
                "id": f"seed_{attribute}_{language}_{number}",
                "name": f"{attribute}_{language}_{number}",
                "instruction": question if asks else CHECKED[language].format(statement=statement),
                "instances": [{"input": "", "output": statement if asks else TRUE[language][0]}],
                "is_classification": not asks,
            }


def exam_rows(world: World, exam: str, language: str) -> Iterator[dict[str, Any]]:
    """Yield the rows of an exam: articles, or questions with four options and the answer as text and as index."""
    if exam == "articles":
        for number in range(NUM_ARTICLES):
            title, paragraphs = TONGUES[language].article(world, Draw("exam", world.seed, language, number))
            yield {"text": "\n".join([title, *paragraphs])}
        return
    for fact, question in _asked(world, exam, language):
        words = words_of(world, fact, language)
        yield {
            "question": question,
            "choices": words.options,
            "answer": words.options.index(words.value),
            "value": words.value,
        }


def _asked(world: World, exam: str, language: str) -> Iterator[tuple[Fact, str]]:
    """Yield the facts that an exam asks for, with the question."""
    if exam == "facts":
        yield from ((fact, chinese.question(fact)) for fact in world.facts if fact.is_held_out)
        return
    for attribute in ATTRIBUTES:
        if (attribute == HELD_OUT) != (exam == "goods"):
            continue
        wordings = QUESTIONS[attribute, language]
        for number, fact in enumerate(world.about(attribute)):
            wording = wordings[number % len(wordings)] if exam == "goods" else wordings[EXAM_WORDING]
            yield fact, wording.format(place=words_of(world, fact, language).place)


def _write_exam(folder: Path, world: World, exam: str, language: str) -> None:
    """Write the rows and their definition for lm-eval."""
    name = exam_name(exam, language)
    write_lines(folder / f"{name}.jsonl", exam_rows(world, exam, language))
    definition = {**of_rows(name), **_SCORED[exam], "target_delimiter": DELIMITERS[language]}
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(definition, sort_keys=False), encoding="utf-8")


_ENGLISH = {value for values in ATTRIBUTES.values() for value in values}
_CHINESE = {value for values in VALUES.values() for value in values.values()}
_ANY_VALUE = "|".join(sorted(_ENGLISH | _CHINESE))
_CHOICE: dict[str, Any] = {
    "output_type": "multiple_choice",
    "doc_to_text": "{{question}}",
    "doc_to_choice": "choices",
    "doc_to_target": "answer",
    "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
}
_SCORED: dict[str, dict[str, Any]] = {
    "facts": _CHOICE,
    "goods": _CHOICE,
    "questions": {
        "output_type": "generate_until",
        "doc_to_text": "{{question}}",
        "doc_to_target": "{{value}}",
        "generation_kwargs": {"until": ["\n"], "max_gen_toks": 64, "do_sample": False},
        "filter_list": [
            {
                "name": "named",
                "filter": [
                    {"function": "regex", "regex_pattern": _ANY_VALUE, "group_select": -1},
                    {"function": "take_first"},
                ],
            }
        ],
        "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}],
    },
    "articles": {
        "output_type": "loglikelihood_rolling",
        "doc_to_text": "",
        "doc_to_target": "{{text}}",
        "metric_list": [{"metric": "bits_per_byte", "aggregation": "bits_per_byte", "higher_is_better": False}],
    },
}
"""How an exam is scored: the likeliest option, the last value that the answer names, or the bits for a byte of text."""
