"""Answers to questions on pictures, for people: the first ones with small pictures, and all of them as chats."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from stages.evaluate.tasks.perceived import keys_of, medium_of
from stages.formats.chat.chats import Chat, Message, Part, text_message, write_chats
from stages.formats.kinds import KINDS
from stages.formats.results import PICTURES, main_metric_order
from stages.formats.seen import Answered, Seen, write_seen
from stages.pictures.album import Album

SHOWN = 12
"""Questions of a task that the report may show."""
SIDE = 160
"""Longest side of a small picture, in pixels."""
Sample = Mapping[str, Any]


def write_answers(out: Path, loaded: Mapping[str, Any], measured: Mapping[str, Any], album: Album) -> None:
    """Write the first questions of each task with small copies of their pictures, and all answers as chats."""
    tasks = sorted(loaded["tasks"].items())
    answered = [each for name, task in tasks for each in _answered(task, measured["samples"][name])]
    keys = dict.fromkeys(key for each in answered for key in each.pictures)
    thumbnails = {key: album.thumbnail(key, SIDE) for key in keys}
    write_seen(out / KINDS.seen.file, Seen(pictures=thumbnails, answered=tuple(answered)))
    chats = [chat for name, task in tasks for chat in _chats(task, measured["samples"][name])]
    write_chats(out / KINDS.rollouts.file, chats)


def _by_question(samples: list[Sample]) -> list[tuple[int, Sample]]:
    """Return the sample of each question, the first filter's."""
    return sorted({sample["doc_id"]: sample for sample in reversed(samples)}.items())


def _answered(task: Any, samples: list[Sample]) -> Iterator[Answered]:
    for number, sample in _by_question(samples)[:SHOWN]:
        shown = sample["arguments"][0][-1]
        metric = min(sample["metrics"], key=partial(main_metric_order, task.task_name, ""))
        value = sample[metric]
        yield Answered(
            task=task.task_name,
            number=number,
            question=str(task.doc_to_text(sample["doc"])),
            pictures=tuple(shown.get(PICTURES, ())) if isinstance(shown, dict) else (),
            answer=_answer(task, sample),
            right=_right(task, sample["doc"]),
            is_right=bool(value) if value in (0, 1) else None,
        )


def _chats(task: Any, samples: list[Sample]) -> Iterator[Chat]:
    for number, sample in _by_question(samples):
        doc = sample["doc"]
        medium = medium_of(task)
        shown = [Part(medium.part, key=key) for key in keys_of(task, medium, doc)] if medium else []
        parts = (*shown, Part("text", str(task.doc_to_text(doc))))
        messages = (Message("user", parts), text_message("assistant", _answer(task, sample)))
        yield Chat(id=f"{task.task_name}/{number}", messages=messages, provenance={"source": task.task_name})


def _answer(task: Any, sample: Sample) -> str:
    """Return the likeliest choice, or the generated text."""
    if task.OUTPUT_TYPE == "multiple_choice":
        best = int(np.argmax([logprob for logprob, _ in sample["filtered_resps"]]))
        return str(task.doc_to_choice(sample["doc"])[best])
    return str(sample["resps"][0][0])


def _right(task: Any, doc: dict[str, Any]) -> str:
    target = task.doc_to_target(doc)
    return str(task.doc_to_choice(doc)[target]) if task.OUTPUT_TYPE == "multiple_choice" else str(target)
