"""The rows of one request in the engine: their texts as they grow, and their ends, brought to the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from itertools import count
from time import monotonic
from typing import NamedTuple

from stages.generate.front import Front
from stages.generate.requests import Continuation, Growth, Hook, Insert, Request, Stop
from stages.serve.gallery import NOTHING, Held


class Grown(NamedTuple):
    """More text of a row."""

    place: int
    text: str


class Ended(NamedTuple):
    """A row's answer, with the text that was not sent yet."""

    place: int
    text: str
    answer: Continuation


class Rows:
    """Use as a context manager: rows whose caller has left end at their next token."""

    def __init__(
        self, front: Front, requests: Sequence[Request], *, streams: bool, seconds: float, held: Held = NOTHING
    ) -> None:
        """Submit the rows. Without `streams` a row gives its end alone. A row ends after `seconds`, as if too long.

        `held` is released when the engine is done with the last row.
        """
        self._held, self._ended = held, count(1)
        self._loop = asyncio.get_running_loop()
        self._events: asyncio.Queue[Grown | Future[Continuation]] = asyncio.Queue()
        self._streams, self._deadline = streams, monotonic() + seconds
        self._has_left = False
        self._sent = [0] * len(requests)
        self._places: dict[Future[Continuation], int] = {}
        for place, request in enumerate(requests):
            hook: Hook = partial(self._grow, place, request)
            self._places[front.submit(replace(request, hook=hook))] = place
        for future in self._places:
            future.add_done_callback(self._end)

    def __enter__(self) -> Rows:
        return self

    def __exit__(self, *error: object) -> None:
        self._has_left = True

    async def events(self) -> AsyncIterator[Grown | Ended]:
        """Yield what happens, until all rows have ended. Raises what a row failed with."""
        left = len(self._places)
        while left:
            event = await self._events.get()
            if isinstance(event, Grown):
                yield event
            else:
                left -= 1
                place, answer = self._places[event], event.result()
                yield Ended(place, answer.text[self._sent[place] :], answer)

    def _grow(self, place: int, request: Request, growth: Growth) -> Stop | Insert | None:
        """Hook of a row, in the engine's thread. The request's own hook comes last."""
        if self._has_left:
            return Stop("left")
        if monotonic() > self._deadline:
            return Stop("time")
        if self._streams:
            text = growth.text
            end = len(text) - held_back(text, request.sampling.until)
            if end > self._sent[place]:
                self._tell(Grown(place, text[self._sent[place] : end]))
                self._sent[place] = end
        return request.hook(growth) if request.hook else None

    def _end(self, future: Future[Continuation]) -> None:
        if next(self._ended) == len(self._places):
            self._held.release()
        self._tell(future)

    def _tell(self, event: Grown | Future[Continuation]) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._events.put_nowait, event)


def held_back(text: str, until: Sequence[str]) -> int:
    """Return how many letters at the end of a text may begin one of the stop texts."""
    longest = min(len(text), max((len(stop) for stop in until), default=1) - 1)
    return next(
        (size for size in range(longest, 0, -1) if any(stop.startswith(text[-size:]) for stop in until)),
        0,
    )
