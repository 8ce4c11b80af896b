"""The step of `tools.questions`: requests for a share of the APIs, by a teacher."""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Iterator, Sequence
from typing import Any

import yaml

from stages.formats.calls.apis import Api, read_apis
from stages.formats.calls.questions import Question, read_questions, write_questions
from stages.formats.chat.rejects import Reject, Rejects
from stages.formats.chat.syntheses import Synthesis, write_synthesis
from stages.formats.kinds import KINDS
from stages.shared.contract import part_of
from stages.shared.errors import DataError
from stages.shared.task import Task
from stages.teacher.asking import Asker, answered
from stages.teacher.rendering import render
from stages.teacher.request import Answer, Request
from stages.tools.gorilla.wording import document_of, names_api
from stages.tools.questions.config import HELDOUT, PROMPTS, QuestionsConfig

PROMPT = "requests"
MIN_WORDS = 4
_ITEM = re.compile(r"^\s*\d+\s*[.):]\s*(.+?)\s*$", re.MULTILINE)


def write(task: Task[QuestionsConfig]) -> dict[str, Any]:
    """Write the questions of a share of the APIs, some of them apart for evaluation. Raises DataError without any."""
    config = task.config
    apis = [api for file in task.inputs["apis"] for api in read_apis(file.path)]
    seeds = [each for file in task.inputs["seeds"] for each in read_questions(file.path).values()]
    share, shares = part_of(task.unit)
    places = range(len(apis) * share // shares, len(apis) * (share + 1) // shares)
    rejects, questions = Rejects(), list[Question]()
    with Asker(task, config.teacher) as asker:
        requests = [_request(config, apis[place], place, seeds) for place in places]
        for place, answer in zip(places, asker.ask(PROMPT, requests), strict=True):
            for found in _questions(place, apis[place], answer):
                if isinstance(found, Reject):
                    rejects.add(found, record=place)
                else:
                    questions.append(found)
        numbers = (dict(asker.requests), asker.prompt_tokens, asker.answer_tokens)
    if places and not questions:
        raise DataError("teacher", f"no request was kept ({dict(rejects.counts)})", "Look at its answers")
    apart = [_draw(config.seed, question.text) < config.heldout for question in questions]
    for name, wanted in ((KINDS.api_questions.file, False), (HELDOUT, True)):
        kept = (question for question, is_apart in zip(questions, apart, strict=True) if is_apart == wanted)
        write_questions(task.out / name, kept)
    synthesis = Synthesis(
        method="gorilla",
        noun="request",
        requests=numbers[0],
        prompt_tokens=numbers[1],
        answer_tokens=numbers[2],
        candidates=len(questions) + rejects.counts.total(),
        kept=len(questions),
        rejected=dict(rejects.counts),
        samples=tuple(rejects.samples),
    )
    write_synthesis(task.out / KINDS.synthesis.file, synthesis)
    return {"questions": len(questions), "heldout": sum(apart), "rejected": dict(rejects.counts)}


def _request(config: QuestionsConfig, api: Api, place: int, seeds: Sequence[Question]) -> Request:
    """Return the request for an API. Its examples are drawn by its place, from other APIs' seeds if there are any."""
    others = [seed for seed in seeds if seed.api not in (api, None)] or list(seeds)
    drawn = random.Random(f"{config.seed}/{place}").sample(others, min(config.examples, len(others)))
    chosen = yaml.safe_load(PROMPTS.read_bytes())[PROMPT]
    parameters = {**chosen["parameters"], **config.parameters}
    examples = [{"document": document_of(each.api), "text": each.text} for each in drawn if each.api]
    content = render(chosen["text"], count=config.per_api, examples=examples, document=document_of(api))
    kept = {name: value for name, value in parameters.items() if value is not None}
    return Request(messages=({"role": "user", "content": content},), parameters=kept)


def _questions(place: int, api: Api, answer: Answer) -> Iterator[Question | Reject]:
    """Yield the requests of an answer, a numbered list, or the reason of each that cannot be used."""
    try:
        texts = _ITEM.findall(answered(answer))
    except Reject as reject:
        yield reject
        return
    if not texts:
        yield Reject("no_list", answer.text)
    seen: set[str] = set()
    for number, text in enumerate(texts):
        if text.casefold() in seen:
            yield Reject("repeated", text)
        elif names_api(text, api):
            yield Reject("names_the_api", text)
        elif len(text.split()) < MIN_WORDS and text.isascii():
            yield Reject("too_short", text)
        else:
            yield Question(id=f"{place}-{number}", text=text, api=api)
        seen.add(text.casefold())


def _draw(seed: int, text: str) -> float:
    digest = hashlib.sha256(f"{seed}/{text}".encode("utf-8", "replace")).digest()
    return int.from_bytes(digest[:8], "big") / (1 << 64)
