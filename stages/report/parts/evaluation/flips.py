"""Flipped samples: questions that one of two checkpoints answers better than the other, side by side. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

from stages.formats.results import EvaluationKey, Results, Sample
from stages.report.parts.evaluation.comparison import Comparison, protocol_of
from stages.report.parts.evaluation.verdicts import Duel

MAX_FLIPS = 60
"""Samples on the page, shared by the tasks."""
MAX_CHARS = 20_000
"""Characters of a prompt on the page; its end is shown, since the question stands there."""

MAX_CHOICE = 120
"""Characters of a prompt that stand for a choice, where the prompts differ and the text after them does not."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a sample stands."""

    key: EvaluationKey
    """Of the results beside its file."""
    task: str
    metric: str
    index: int
    """Among the samples of its task and filter."""


@dataclass(frozen=True, kw_only=True)
class Flip:
    """A question that two checkpoints answer differently."""

    column: Comparison
    task: str
    """The task of the question: of a group, one of its tasks."""
    item: str
    one: Place
    other: Place
    values: tuple[float, float]
    """Of the newer checkpoint and of the older one."""

    @property
    def is_loss(self) -> bool:
        """Whether the newer checkpoint is worse."""
        return (self.values[0] < self.values[1]) == self.column.higher_is_better


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One of the texts between which a question lets choose."""

    text: str
    logprobs: tuple[float, float]
    """Nats, of the newer checkpoint and of the older one."""
    is_target: bool
    is_chosen: tuple[bool, bool]
    """By each checkpoint; False for both where the task's rule is unknown."""


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """A question as it was sent to one checkpoint."""

    protocol: str
    text: str
    """Its end, if it is long. Where choices have different prompts, all of them."""
    is_cut: bool


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A flip with its texts."""

    flip: Flip
    prompts: tuple[Prompt, ...]
    """Of the newer checkpoint; of the older one too, where it was asked otherwise."""
    choices: tuple[Choice, ...]
    """Empty for generated answers."""
    answers: tuple[str, str]
    """Generated texts; empty for choices."""
    extracted: tuple[str, str]
    """What the task's filter reads as the answers."""
    target: str
    files: tuple[Path | None, Path | None]
    """Where the samples lie, from the folder of the run."""

    @property
    def gist(self) -> str:
        """The end of the prompt, for a list."""
        text = " ".join(self.prompts[0].text.split())
        return text if len(text) <= MAX_CHOICE else "\u2026" + text[-MAX_CHOICE:]


def flips(results: Sequence[Results], duel: Duel) -> list[Flip]:
    """Return the questions that differ between two checkpoints by the main metrics: of each task losses first."""
    measured = {
        (result.key.source, score.task, score.metric, protocol_of(result.key), result.protocol): result
        for result in results
        for score in result.scores
    }
    found = []
    for each in duel.tasks:
        one, other = (
            measured[name, column.task, column.metric, column.protocol, column.source]
            for name, column in ((duel.one, each.task.column), (duel.other, each.task.against))
        )
        found += sorted(_of_column(each.task.column, one, other), key=lambda flip: not flip.is_loss)
    return found


def _of_column(column: Comparison, one: Results, other: Results) -> Iterator[Flip]:
    for task in one.members.get(column.task, (column.task,)):
        values = [_values(result, task, column.metric) for result in (one, other)]
        for item, (index, value) in values[0].items():
            before = values[1].get(item)
            if before and before[1] != value:
                places = [
                    Place(key=result.key, task=task, metric=column.metric, index=number)
                    for result, number in ((one, index), (other, before[0]))
                ]
                yield Flip(
                    column=column,
                    task=task,
                    item=item,
                    one=places[0],
                    other=places[1],
                    values=(value, before[1]),
                )


def _values(result: Results, task: str, metric: str) -> dict[str, tuple[int, float]]:
    """Return index and value of each question by name; none if unknown."""
    outcomes = result.outcomes.get(task)
    values = outcomes.values.get(metric, ()) if outcomes else ()
    return dict(zip(outcomes.items, enumerate(values), strict=False)) if outcomes else {}


def select(found: Sequence[Flip], number: int = MAX_FLIPS) -> list[Flip]:
    """Return at most `number` flips in order; losses and gains of each task have equal shares, as far as there are."""
    shares: dict[tuple[str, str, bool], list[Flip]] = {}
    for flip in found:
        shares.setdefault((flip.column.task, flip.column.protocol, flip.is_loss), []).append(flip)
    turns = [flip for turn in zip_longest(*shares.values()) for flip in turn if flip is not None]
    kept = {id(flip) for flip in turns[:number]}
    return [flip for flip in found if id(flip) in kept]


def texts(flip: Flip, samples: Mapping[Place, Sample], files: Mapping[EvaluationKey, Path]) -> Shown | None:
    """Return a flip with the texts of its samples; None if a sample is missing."""
    one, other = samples.get(flip.one), samples.get(flip.other)
    if one is None or other is None:
        return None
    prompts = [_prompt(place, sample) for place, sample in ((flip.one, one), (flip.other, other))]
    is_same = prompts[0].text == prompts[1].text
    choices = _choices(flip, one, other)
    return Shown(
        flip=flip,
        prompts=tuple(prompts[:1] if is_same else prompts),
        choices=choices,
        answers=("", "") if choices else (_text(one.responses), _text(other.responses)),
        extracted=("", "") if choices else (_text(one.filtered), _text(other.filtered)),
        target=_text(one.target),
        files=(files.get(flip.one.key), files.get(flip.other.key)),
    )


def _prompt(place: Place, sample: Sample) -> Prompt:
    text = "\n\n".join(dict.fromkeys(str(each[0]) for each in sample.arguments))
    return Prompt(protocol=protocol_of(place.key), text=text[-MAX_CHARS:], is_cut=len(text) > MAX_CHARS)


def _choices(flip: Flip, one: Sample, other: Sample) -> tuple[Choice, ...]:
    """Return the choices of a question; none if its answers are generated."""
    scored = [_logprobs(sample) for sample in (one, other)]
    if not scored[0] or len(scored[0]) != len(scored[1]):
        return ()
    continuations = [str(asked[1]) for asked in one.arguments]
    texts = [str(asked[0])[-MAX_CHOICE:] for asked in one.arguments] if len({*continuations}) == 1 else continuations
    chosen = [
        _chosen(flip.column.metric, logprobs, texts, sample.target, value)
        for logprobs, sample, value in zip(scored, (one, other), flip.values, strict=True)
    ]
    return tuple(
        Choice(
            text=text,
            logprobs=(scored[0][number], scored[1][number]),
            is_target=number == one.target,
            is_chosen=(number == chosen[0], number == chosen[1]),
        )
        for number, text in enumerate(texts)
    )


def _chosen(metric: str, logprobs: list[float], texts: list[str], target: Any, value: float) -> int | None:
    """Return the choice that a metric takes; None if its rule is unknown, or disagrees with the recorded value."""
    half = len(logprobs) // 2
    scores = {
        "acc": logprobs,
        "acc_norm": [logprob / max(1, len(text.strip())) for logprob, text in zip(logprobs, texts, strict=True)],
        "acc_answer": [asked - alone for asked, alone in zip(logprobs[:half], logprobs[half:], strict=False)],
    }.get(metric)
    if not scores:
        return None
    chosen = scores.index(max(scores))
    return chosen if (chosen == target) == (value == 1) else None


def _logprobs(sample: Sample) -> list[float]:
    try:
        return [float(response[0][0]) for response in sample.responses]
    except (TypeError, ValueError, IndexError, KeyError):
        return []


def _text(value: Any) -> str:
    """Return a generated answer, or several, as text."""
    while isinstance(value, (list, tuple)) and len(value) == 1:
        value = value[0]
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
