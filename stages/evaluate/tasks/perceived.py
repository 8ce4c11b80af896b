"""Questions on pictures or sounds: which of them each question has, and scores of yes/no and of named words.

The blind controls are cells of their own: `shuffled` has another question's picture or sound, `none` has none. A model
that sees or hears answers them by chance.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from lm_eval.api.metrics import mean
from lm_eval.api.task import ConfigurableTask

from stages.evaluate.backends.dialogue import Conversation
from stages.evaluate.cells import Cell, Shown
from stages.evaluate.scores import F1, PRECISION, RECALL
from stages.formats.results import PICTURES
from stages.pictures.album import Album
from stages.pictures.sounds import SoundShelf
from stages.shared.errors import ConfigError

Doc = dict[str, Any]
YES = frozenset(("yes", "true", "是", "是的", "有", "对"))
NO = frozenset(("no", "false", "否", "不", "不是", "没有", "不对", "错"))
"""Answers of a yes/no question, without case."""
SAYS_YES, NAMED = "says_yes", "named"
"""Metrics: the share of yes (POPE, arXiv:2305.10355, section 5.1), and of texts that name all words of a question."""
WORDS = "words"
"""Field of a question: lists of words. A right text has a word of each list."""


@dataclass(frozen=True)
class Medium:
    """What questions have beside their text."""

    field: Literal["pictures", "sounds"]
    """Of a section, of a task's settings and of a cell."""
    column: Literal["doc_to_image", "doc_to_audio"]
    """Setting of lm-eval's task that names the keys."""
    part: Literal["picture", "audio"]
    """Part of a message."""
    protocols: Mapping[Shown, str]
    """The protocol of a cell in a sentence."""


PICTURE = Medium(
    "pictures",
    "doc_to_image",
    "picture",
    MappingProxyType(
        {
            "shown": "",
            "shuffled": "Blind control: each question shows the picture of another one.",
            "none": "Blind control: questions without their pictures.",
        }
    ),
)
SOUND = Medium(
    "sounds",
    "doc_to_audio",
    "audio",
    MappingProxyType(
        {
            "shown": "",
            "shuffled": "Control: each question has the sound of another one.",
            "none": "Control: questions without their sounds.",
        }
    ),
)
MEDIA = (PICTURE, SOUND)
Shelves = Mapping[str, Album | SoundShelf]
"""Collections of a unit by Medium.field."""


def protocol(cell: Cell) -> str:
    """Return what is shown or heard, in a sentence; empty: what the questions name."""
    return " ".join(filter(None, (medium.protocols[getattr(cell, medium.field)] for medium in MEDIA)))


def medium_of(task: Any) -> Medium | None:
    """Return what a task's questions have beside their text; None: nothing."""
    if not getattr(task, "MULTIMODAL", False):
        return None
    return next((medium for medium in MEDIA if getattr(task.config, medium.column) is not None), None)


def show(task: ConfigurableTask, cell: Cell, shelves: Shelves) -> None:
    """Let a task's questions have pictures or sounds, as its cell says, and score what such tasks are scored by.

    Raises ConfigError for such a task without collections, with solved examples, or outside a conversation; DataError
    for a key that no collection has. Side effect: changes `task`. A task of text stays as it is.
    """
    medium = medium_of(task)
    if medium is None:
        return
    if task.get_config("num_fewshot"):
        wanted = f"0 for {task.task_name}: solved examples have no {medium.field}"
        raise ConfigError("num_fewshot", task.get_config("num_fewshot"), wanted)
    shelf, shown = shelves.get(medium.field), getattr(cell, medium.field)
    if shelf is None:
        wanted = f"collections with the {medium.field} of {task.task_name} (for example from:exam)"
        raise ConfigError(medium.field, None, wanted)
    if shown == "none":
        setattr(task.config, medium.column, None)
        task.MULTIMODAL = False
    else:
        _show(task, medium, _shuffled(task, medium) if shown == "shuffled" else None, shelf)
    docs = [*task.eval_docs]
    if task.OUTPUT_TYPE == "multiple_choice":
        if docs and all(yes_of(task.doc_to_choice(doc)) is not None for doc in docs):
            score_yes(task)
    elif docs and all(doc.get(WORDS) for doc in docs):
        score_named(task)


def keys_of(task: ConfigurableTask, medium: Medium, doc: Doc) -> list[str]:
    """Return the keys of a question's pictures or sounds. Raises ConfigError for something else."""
    found = getattr(task, medium.column)(doc)
    keys = found if isinstance(found, list) else [found]
    if not keys or not all(isinstance(key, str) and key for key in keys):
        wanted = (
            f"keys of {medium.field} in a collection, and {task.task_name} has "
            f"{type(keys[0]).__name__ if keys else 'none'}"
        )
        raise ConfigError(medium.column, getattr(task.config, medium.column), wanted)
    return keys


def _show(task: ConfigurableTask, medium: Medium, other: Mapping[str, str] | None, shelf: Album | SoundShelf) -> None:
    shelf.require(key for doc in task.eval_docs for key in keys_of(task, medium, doc))
    construct = task.construct_requests

    def construct_requests(doc: Doc, ctx: str, **kwargs: Any) -> Any:
        if not isinstance(ctx, Conversation):
            raise ConfigError("chat", None, f"true for {task.task_name}: {medium.field} stand in a message")
        keys = [key if other is None else other[key] for key in keys_of(task, medium, doc)]
        made = construct(doc, ctx.showing(medium.part, keys), **kwargs)
        for request in made if isinstance(made, list) else [made]:
            request.arguments = (*request.args[:2], {PICTURES: keys})
        return made

    task.construct_requests = construct_requests


def _shuffled(task: ConfigurableTask, medium: Medium) -> dict[str, str]:
    """Return another key for each key of a task, and none twice: the next in the order of a hash."""
    keys = {key for doc in task.eval_docs for key in keys_of(task, medium, doc)}
    order = sorted(keys, key=lambda key: hashlib.sha256(f"shuffled/{key}".encode()).digest())
    if len(order) < 2:
        raise ConfigError("tasks", task.task_name, f"a task with two different {medium.field}, to shuffle them")
    return dict(zip(order, [*order[1:], order[0]], strict=True))


def yes_of(choices: Sequence[str]) -> int | None:
    """Return the place of yes among the choices of a question; None: it is no yes/no question."""
    plain = [choice.strip().lower().rstrip(".。") for choice in choices]
    yes = [place for place, choice in enumerate(plain) if choice in YES]
    is_pair = len(plain) == 2 and len(yes) == 1 and plain[1 - yes[0]] in NO
    return yes[0] if is_pair else None


def score_yes(task: ConfigurableTask) -> None:
    """Add POPE's metrics of yes to a yes/no task: share, precision, recall and F1. Side effect: changes `task`."""
    process = task.process_results

    def process_results(doc: Doc, results: Sequence[tuple[float, bool]]) -> dict[str, Any]:
        yes = yes_of(task.doc_to_choice(doc))
        said = float(int(np.argmax([logprob for logprob, _ in results])) == yes)
        right = float(task.doc_to_target(doc) == yes)
        hit = said * right
        shares = {PRECISION: (hit, said), RECALL: (hit, right), F1: (2 * hit, said + right)}
        return {**process(doc, results), SAYS_YES: said, **shares}

    task.process_results = process_results
    _add_metric(task, SAYS_YES, mean)
    for name in (PRECISION, RECALL, F1):
        _add_metric(task, name, share)


def share(pairs: Sequence[tuple[float, float]]) -> float:
    """Return the sum of the first numbers over that of the second ones; 0 if that is 0."""
    whole = sum(each for _, each in pairs)
    return sum(each for each, _ in pairs) / whole if whole else 0.0


def score_named(task: ConfigurableTask) -> None:
    """Add the share of texts that name all words of their question. Side effect: changes `task`."""
    process = task.process_results

    def process_results(doc: Doc, results: Sequence[str]) -> dict[str, Any]:
        return {**process(doc, results), NAMED: float(names_all(results[0], doc[WORDS]))}

    task.process_results = process_results
    _add_metric(task, NAMED, mean)


def names_all(text: str, words: Sequence[Sequence[str]]) -> bool:
    """Return whether a text has a word of each list, as a whole word where the script has spaces."""
    return all(any(_has(text.casefold(), word.casefold()) for word in some) for some in words)


def _has(text: str, word: str) -> bool:
    bound = r"(?<![a-z0-9]){}(?![a-z0-9])" if word.isascii() else "{}"
    return re.search(bound.format(re.escape(word)), text) is not None


def _add_metric(task: ConfigurableTask, name: str, aggregation: Callable[[Any], float]) -> None:
    task._aggregation_list[name], task._higher_is_better[name] = aggregation, True
