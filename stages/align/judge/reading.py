"""The verdict of an endpoint: the question in both orders, and one line of each answer, read strictly."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from stages.align.judge.config import QUESTIONS, Form
from stages.align.judge.described import described
from stages.align.judge.pairs import Pair
from stages.formats.chat.chats import Message, message_record
from stages.formats.chat.judgements import Outcome, Place, Verdict
from stages.formats.chat.rejects import Reject
from stages.teacher.asking import answered
from stages.teacher.rendering import render
from stages.teacher.request import Answer, Request

BEST = 10
"""The highest score of an answer; the lowest is 1."""
LINE = re.compile(r"A: ?(\d+)[,;]? B: ?(\d+)[,;]? better: ?(A|B|tie)\.?", re.IGNORECASE)
"""The whole last line of a judge's answer."""
SCORES = re.compile(r"(\d+(?:\.\d+)?) (\d+(?:\.\d+)?)")
"""The whole first line of an answer in LLaVA's form."""
_MARKDOWN = r"[*`#\s]+"
_PLACES: Mapping[str, Place] = {"a": "first", "b": "second", "tie": "tie"}


_OUTCOMES: Mapping[tuple[Place, Place], Outcome] = {("first", "second"): "win", ("second", "first"): "loss"}
"""By the readings of both orders; of all others none is a win or a loss."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A judge's verdict on two answers in one order."""

    better: Place
    scores: tuple[float, float]
    """Of the first answer and of the second one."""


Reader = Callable[[Answer], Reading]


def read_last(answer: Answer) -> Reading:
    """Return what a judge's answer says. Raises Reject, with the reason, for one without a clear verdict.

    Only the last line counts: an answer may quote verdicts, and words around one are no verdict. Markdown's stars,
    backticks and hashes are no part of it.
    """
    text = answered(answer)
    found = LINE.fullmatch(re.sub(_MARKDOWN, " ", text.splitlines()[-1]).strip())
    if found is None:
        raise Reject("no_verdict", text)
    first, second, better = int(found[1]), int(found[2]), _PLACES[found[3].lower()]
    if not (1 <= first <= BEST and 1 <= second <= BEST):
        raise Reject("out_of_range", text)
    if {"first": second - first, "second": first - second, "tie": 0}[better] > 0:
        raise Reject("contradiction", text)
    return Reading(better=better, scores=(first, second))


def read_first(answer: Answer) -> Reading:
    """Return what a judge's answer in LLaVA's form says. Raises Reject, with the reason, for one without two scores.

    Only the first line counts, and it holds two numbers alone. Scores that stand elsewhere are no verdict: a judge that
    solves the task first writes other numbers before them. Reasons that were cut leave the scores whole.
    """
    line, behind, _ = answer.text.strip().partition("\n")
    text = answered(replace(answer, finish="stop") if behind and answer.finish == "length" else answer)
    found = SCORES.fullmatch(re.sub(_MARKDOWN, " ", line.replace(",", " ")).strip())
    if found is None:
        raise Reject("no_verdict", text)
    first, second = float(found[1]), float(found[2])
    if not (1 <= first <= BEST and 1 <= second <= BEST):
        raise Reject("out_of_range", text)
    return Reading(better="first" if first > second else "second" if second > first else "tie", scores=(first, second))


READERS: Mapping[Form, Reader] = {"better": read_last, "scores": read_first}


class Question:
    """The question to a judge by one rubric."""

    def __init__(
        self,
        criterion: Path,
        parameters: Mapping[str, Any],
        form: Form = "better",
        pictures: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """`parameters` replaces those of the prompt; None leaves one out. `pictures` are descriptions by key."""
        values = yaml.safe_load(QUESTIONS[form].read_text(encoding="utf-8"))
        self.read = READERS[form]
        self._text: str = values["text"]
        self._pictures = pictures
        self._criterion = criterion.read_text(encoding="utf-8").strip()
        given = {**values["parameters"], **parameters}
        self._parameters = {name: value for name, value in given.items() if value is not None}

    def requests(self, pair: Pair) -> tuple[Request, Request]:
        """Return the requests in both orders, the one with the policy's answer first."""
        one, other = pair.answers
        prompt = described(pair.prompt.messages, self._pictures)
        return self._request(prompt, one, other), self._request(prompt, other, one)

    def _request(self, prompt: Sequence[Message], first: str, second: str) -> Request:
        content = render(
            self._text,
            criterion=self._criterion,
            mark=mark_of(prompt, first, second),
            messages=[{"role": each.role, "text": each.shown} for each in prompt],
            first=first,
            second=second,
        )
        return Request(messages=({"role": "user", "content": content},), parameters=self._parameters)


def mark_of(prompt: Sequence[Message], first: str, second: str) -> str:
    """Return the mark of the lines between texts. No text can hold it, for it is a digest of all of them."""
    content = json.dumps([[message_record(each) for each in prompt], first, second], sort_keys=True)
    return f"=== {hashlib.sha256(content.encode()).hexdigest()[:12]}"


def verdict_of(
    pair: Pair, judge: str, rubric: str, answers: tuple[Answer, Answer], read: Reader = read_last
) -> Verdict:
    """Return the verdict of both orders: an answer wins only if it wins twice, else it is a tie.

    `answers` are to the requests of the pair, in order. One that cannot be read leaves no verdict.
    """
    readings, found = [], []
    for answer in answers:
        try:
            reading = read(answer)
            readings.append(str(reading.better))
            found.append(reading)
        except Reject as reject:
            readings.append(reject.reason)
    if len(found) < len(answers):
        return pair.verdict(judge, rubric, "unparsed", readings=tuple(readings))
    one, other = found
    outcome = _OUTCOMES.get((one.better, other.better), "tie")
    scores = ((one.scores[0] + other.scores[1]) / 2, (one.scores[1] + other.scores[0]) / 2)
    return pair.verdict(judge, rubric, outcome, scores=scores, readings=tuple(readings))
