"""The engine for many callers: requests from any thread or event loop, answered by one thread that owns the model.

For a single process: with several ranks each has to be given the same requests.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import replace
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from types import TracebackType

from stages.generate.generation import Generator
from stages.generate.requests import Continuation, Growth, Insert, Request, Steer, Stop

_Asked = tuple[Request, "Future[Continuation]"]


class Front:
    """Takes requests while it is entered. A hook sees each token as it comes, so it also streams and cancels."""

    def __init__(self, generator: Generator) -> None:
        self._generator = generator
        self._asked: SimpleQueue[_Asked | None] = SimpleQueue()
        self._futures: dict[int, Future[Continuation]] = {}
        self._lock = Lock()
        self._is_open = False
        self._thread = Thread(target=self._work, name="engine", daemon=True)

    def __enter__(self) -> Front:
        self._is_open = True
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Answer what was asked, then end."""
        with self._lock:
            self._is_open = False
            self._asked.put(None)
        self._thread.join()

    def submit(self, request: Request) -> Future[Continuation]:
        """Return the future answer, from any thread. It fails if the request does not fit, or its hook or mask fails.

        Raises RuntimeError if the engine is not entered or has failed.
        """
        future: Future[Continuation] = Future()
        with self._lock:
            if not self._is_open:
                raise RuntimeError("the engine is closed")
            self._asked.put((_guarded(request, future), future))
        return future

    async def ask(self, request: Request) -> Continuation:
        """Return the answer, to an event loop. A cancelled task's row ends at its next token."""
        return await asyncio.wrap_future(self.submit(request))

    def _work(self) -> None:
        try:
            while self._take():
                for number, done in self._generator.step():
                    _settle(self._futures.pop(number), done)
        except BaseException as error:
            with self._lock:
                self._is_open = False
            for future in [*self._futures.values(), *(future for _, future in self._left())]:
                _settle(future, error)
            raise

    def _take(self) -> bool:
        """Submit what was asked, waiting if there is nothing to do; return whether there is more to come."""
        while True:
            try:
                asked = self._asked.get(block=self._generator.is_idle)
            except Empty:
                return True
            if asked is None:
                return self._drain()
            request, future = asked
            if not future.cancelled():
                try:
                    self._futures[self._generator.submit(request)] = future
                except ValueError as error:
                    _settle(future, error)

    def _drain(self) -> bool:
        """Have the last step be followed by the end: no request comes after the one that closes."""
        if self._generator.is_idle:
            return False
        self._asked.put(None)
        return True

    def _left(self) -> Iterator[_Asked]:
        while True:
            try:
                asked = self._asked.get(block=False)
            except Empty:
                return
            if asked is not None:
                yield asked


def _settle(future: Future[Continuation], outcome: Continuation | BaseException) -> None:
    # A future that failed in its hook is settled, and a caller may cancel one at any moment from another thread.
    with suppress(InvalidStateError):
        if isinstance(outcome, BaseException):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)


def _guarded(request: Request, future: Future[Continuation]) -> Request:
    """Return the request with hooks whose errors are its own future's, and that end its row once it is cancelled."""

    def hook(growth: Growth) -> Stop | Insert | None:
        if future.done():  # cancelled, or failed
            return Stop("cancelled")
        try:
            return request.hook(growth) if request.hook else None
        except Exception as error:  # a caller's hook must not end the others' rows
            _settle(future, error)
            return Stop("error")

    def allowed(tokens: Sequence[int]) -> Sequence[int] | None:
        try:
            return request.allowed(tokens) if request.allowed else None
        except Exception as error:  # as above
            _settle(future, error)
            return ()

    def steer(tokens: Sequence[int]) -> Steer | None:
        try:
            return request.steer(tokens) if request.steer else None
        except Exception as error:  # as above; the row ends at its hook
            _settle(future, error)
            return None

    return replace(
        request,
        hook=hook,
        allowed=allowed if request.allowed else None,
        steer=steer if request.steer else None,
    )
