"""Asks the teacher of a section within a unit: answers are kept in the run's folder, and what they took is counted."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType

from stages.formats.chat.rejects import Reject
from stages.shared.contract import StageConfig
from stages.shared.task import Task
from stages.teacher.meter import Meter, spent_file
from stages.teacher.request import Answer, Request
from stages.teacher.settings import WriterSettings
from stages.teacher.store import AnswerStore, answers_folder
from stages.teacher.teacher import Teacher

THOUGHTS = re.compile(r"\A\s*<think>.*?(?:</think>\s*|\Z)", re.DOTALL)
"""Thoughts before an answer, which an endpoint without a parser for them leaves there."""


class Asker:
    """A teacher within one unit, and a context manager around its store.

    All steps and elements of a section share the answers, the rate and the budget. Counts are those of the unit's
    different requests, answered now or before: they do not depend on kills.
    """

    def __init__(self, task: Task[StageConfig], settings: WriterSettings, name: str = "") -> None:
        """`name` is that of one of several teachers of a section: each has answers, rate and budget of its own."""
        section = f"{task.section}.{name}" if name else task.section
        own = answers_folder(task.run_dir, section)
        # An attempt has files of its own: an earlier one may still be writing when Slurm starts its successor.
        writer = hashlib.sha256(f"{task.out.relative_to(task.run_dir)}{name}".encode()).hexdigest()[:16]
        self.model = settings.model
        self._store = AnswerStore(Path(settings.answers).expanduser() if settings.answers else own, writer)
        meter = Meter(spent_file(task.run_dir, section), writer, settings.budget, settings.requests_per_minute)
        self._teacher = Teacher(settings, self._store, meter, should_stop=task.should_stop, progress=task.progress)
        self._asked: set[str] = set()
        self.requests: Counter[str] = Counter()
        self.prompt_tokens = 0
        self.answer_tokens = 0

    def __enter__(self) -> Asker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._store.close()

    def ask(self, prompt: str, requests: Sequence[Request]) -> list[Answer]:
        """Return the answers in order, without thoughts. `prompt` names the kind of the requests in the counts."""
        answers = [without_thoughts(answer) for answer in self._teacher.ask(requests)]
        for request, answer in zip(requests, answers, strict=True):
            name = request.digest(self.model)
            if name not in self._asked:
                self._asked.add(name)
                self.requests[prompt] += 1
                self.prompt_tokens += answer.prompt_tokens
                self.answer_tokens += answer.answer_tokens
        return answers


def without_thoughts(answer: Answer) -> Answer:
    """Return the answer of a model that thinks aloud without its thoughts; an answer cut within them is empty."""
    text = THOUGHTS.sub("", answer.text)
    return replace(answer, text=text)


def answered(answer: Answer) -> str:
    """Return the text of a whole answer. Raises Reject for one that was cut, withheld, or not given."""
    if answer.finish == "length":
        raise Reject("cut_answer", answer.text)
    if answer.finish != "stop":
        raise Reject("no_answer", f"{answer.finish}: {answer.text}")
    if not answer.text.strip():
        raise Reject("empty_answer")
    return answer.text.strip()
