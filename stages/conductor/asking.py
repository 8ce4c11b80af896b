"""An Asker for many threads: what they ask while it is busy goes out as one batch, under the teacher's own limits."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from threading import Thread
from types import TracebackType
from typing import NamedTuple, Protocol

from stages.teacher.request import Answer, Request


class Batched(Protocol):
    """Answers requests together, as stages/teacher/asking.py does."""

    def ask(self, prompt: str, requests: Sequence[Request]) -> list[Answer]:
        """Return the answers in order."""
        ...


class _Asked(NamedTuple):
    prompt: str
    request: Request
    answer: Future[Answer]


class Front:
    """Takes single requests from any thread while it is entered. An error of a batch is that of all its requests."""

    def __init__(self, asker: Batched) -> None:
        self._asker = asker
        self._asked: SimpleQueue[_Asked | None] = SimpleQueue()
        self._thread = Thread(target=self._work, name="asking", daemon=True)

    def __enter__(self) -> Front:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._asked.put(None)
        self._thread.join()

    @property
    def waiting(self) -> int:
        """Requests that are in no batch yet."""
        return self._asked.qsize()

    def ask(self, prompt: str, request: Request) -> Answer:
        """Return the answer to a request. Raises what the asker raises."""
        asked = _Asked(prompt, request, Future())
        self._asked.put(asked)
        return asked.answer.result()

    def _work(self) -> None:
        while (first := self._asked.get()) is not None:
            batch, is_last = self._batch(first)
            for prompt in dict.fromkeys(each.prompt for each in batch):
                self._send([each for each in batch if each.prompt == prompt])
            if is_last:
                return

    def _batch(self, first: _Asked) -> tuple[list[_Asked], bool]:
        """Return what waits, and whether the end was among it."""
        batch = [first]
        while True:
            try:
                asked = self._asked.get_nowait()
            except Empty:
                return batch, False
            if asked is None:
                return batch, True
            batch.append(asked)

    def _send(self, batch: Sequence[_Asked]) -> None:
        try:
            answers = self._asker.ask(batch[0].prompt, [each.request for each in batch])
        except BaseException as error:  # each thread that waits raises it
            for each in batch:
                each.answer.set_exception(error)
            return
        for each, answer in zip(batch, answers, strict=True):
            each.answer.set_result(answer)
