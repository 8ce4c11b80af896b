"""Asks the teacher of a section: answers are kept in the run's folder, and what they took is counted."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from stages.formats.chat.rejects import Reject
from stages.shared.errors import ConfigError
from stages.shared.task import Task
from stages.synthesize.config import SynthesizeConfig
from stages.teacher.meter import Meter
from stages.teacher.request import Answer, Request
from stages.teacher.store import AnswerStore
from stages.teacher.teacher import Teacher


class Asker:
    """A teacher within one unit, and a context manager around its store.

    All steps and elements of a section share the answers, the rate and the budget. Counts are those of the unit's
    different requests, answered now or before: they do not depend on kills.
    """

    def __init__(self, task: Task[SynthesizeConfig]) -> None:
        settings = task.config.teacher
        if settings is None:
            raise ConfigError("teacher", None, "given")
        own = task.run_dir / "answers" / task.section
        # An attempt has files of its own: an earlier one may still be writing when Slurm starts its successor.
        writer = hashlib.sha256(str(task.out.relative_to(task.run_dir)).encode()).hexdigest()[:16]
        self.model = settings.model
        self._store = AnswerStore(Path(settings.answers) if settings.answers else own, writer)
        meter = Meter(own / "spent.json", writer, settings.budget, settings.requests_per_minute)
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
        """Return the answers in order. `prompt` names the kind of the requests in the counts."""
        answers = self._teacher.ask(requests)
        for request, answer in zip(requests, answers, strict=True):
            name = request.digest(self.model)
            if name not in self._asked:
                self._asked.add(name)
                self.requests[prompt] += 1
                self.prompt_tokens += answer.prompt_tokens
                self.answer_tokens += answer.answer_tokens
        return answers


def answered(answer: Answer) -> str:
    """Return the text of a whole answer. Raises Reject for one that was cut, withheld, or not given."""
    if answer.finish == "length":
        raise Reject("cut_answer", answer.text)
    if answer.finish != "stop":
        raise Reject("no_answer", f"{answer.finish}: {answer.text}")
    if not answer.text.strip():
        raise Reject("empty_answer")
    return answer.text.strip()
