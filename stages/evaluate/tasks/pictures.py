"""Questions on pictures: which picture each question shows, and scores of yes/no and of named words.

The blind controls are cells of their own: `shuffled` shows another question's picture, `none` shows no picture. A model
that sees answers them by chance.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from lm_eval.api.metrics import mean
from lm_eval.api.task import ConfigurableTask

from stages.evaluate.backends.dialogue import Conversation
from stages.evaluate.cells import Pictures
from stages.evaluate.scores import F1, PRECISION, RECALL
from stages.formats.results import PICTURES
from stages.pictures.album import Album
from stages.shared.errors import ConfigError

Doc = dict[str, Any]
YES = frozenset(("yes", "true", "是", "是的", "有", "对"))
NO = frozenset(("no", "false", "否", "不", "不是", "没有", "不对", "错"))
"""Answers of a yes/no question, without case."""
SAYS_YES, NAMED = "says_yes", "named"
"""Metrics: the share of yes (POPE, arXiv:2305.10355, section 5.1), and of texts that name all words of a question."""
WORDS = "words"
"""Field of a question: lists of words. A right text has a word of each list."""
PROTOCOLS: Mapping[Pictures, str] = {
    "shown": "",
    "shuffled": "Blind control: each question shows the picture of another one.",
    "none": "Blind control: questions without their pictures.",
}
"""The protocol of a cell's pictures in a sentence."""


def show_pictures(task: ConfigurableTask, pictures: Pictures, album: Album | None) -> None:
    """Let a task's questions show pictures of an album, as `pictures` says, and score what such tasks are scored by.

    Raises ConfigError for a task on pictures without an album, with solved examples, or outside a conversation;
    DataError for a picture that the album lacks. Side effect: changes `task`. A task of text stays as it is.
    """
    if task.config.doc_to_image is None:
        return
    if task.get_config("num_fewshot"):
        wanted = f"0 for {task.task_name}: solved examples have no pictures"
        raise ConfigError("num_fewshot", task.get_config("num_fewshot"), wanted)
    if album is None:
        wanted = f"collections with the pictures of {task.task_name} (for example from:exam)"
        raise ConfigError("pictures", None, wanted)
    if pictures == "none":
        task.config.doc_to_image, task.MULTIMODAL = None, False
    else:
        _show(task, _shuffled(task, album) if pictures == "shuffled" else None, album)
    docs = [*task.eval_docs]
    if task.OUTPUT_TYPE == "multiple_choice":
        if docs and all(yes_of(task.doc_to_choice(doc)) is not None for doc in docs):
            score_yes(task)
    elif docs and all(doc.get(WORDS) for doc in docs):
        score_named(task)


def shows_pictures(task: Any) -> bool:
    """Return whether a task's questions have pictures."""
    return bool(getattr(task, "MULTIMODAL", False))


def keys_of(task: ConfigurableTask, doc: Doc) -> list[str]:
    """Return the keys of a question's pictures. Raises ConfigError for pictures that are no keys."""
    found = task.doc_to_image(doc)
    keys = found if isinstance(found, list) else [found]
    if not keys or not all(isinstance(key, str) and key for key in keys):
        wanted = (
            f"keys of pictures in a collection, and {task.task_name} has {type(keys[0]).__name__ if keys else 'none'}"
        )
        raise ConfigError("doc_to_image", task.config.doc_to_image, wanted)
    return keys


def _show(task: ConfigurableTask, other: Mapping[str, str] | None, album: Album) -> None:
    album.require(key for doc in task.eval_docs for key in keys_of(task, doc))
    construct = task.construct_requests

    def construct_requests(doc: Doc, ctx: str, **kwargs: Any) -> Any:
        if not isinstance(ctx, Conversation):
            raise ConfigError("chat", None, f"true for {task.task_name}: a picture stands in a message")
        keys = [key if other is None else other[key] for key in keys_of(task, doc)]
        made = construct(doc, ctx.showing(keys), **kwargs)
        for request in made if isinstance(made, list) else [made]:
            request.arguments = (*request.args[:2], {PICTURES: keys})
        return made

    task.construct_requests = construct_requests


def _shuffled(task: ConfigurableTask, album: Album) -> dict[str, str]:
    """Return another picture for each of a task's pictures, and none twice: the next in the order of a hash."""
    keys = {key for doc in task.eval_docs for key in keys_of(task, doc)}
    order = sorted(keys, key=lambda key: hashlib.sha256(f"shuffled/{key}".encode()).digest())
    if len(order) < 2:
        raise ConfigError("tasks", task.task_name, "a task with two different pictures, to shuffle them")
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
