"""Asks a teacher: many requests at once, each paid for once, with back-off, budgets and replay.

    store = AnswerStore(folder, writer)              answers of earlier attempts and of other elements
    answers = Teacher(settings, store, meter).ask(requests)

The answers come in the order of the requests, whatever the order in which they arrive, and a second call with the same
requests returns the same bytes without a network.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import openai

from stages.shared import log
from stages.shared.errors import Checkpointed, ConfigError, DataError, StagecoachError
from stages.teacher.keys import read_key, without
from stages.teacher.meter import Meter
from stages.teacher.replies import read_score, read_text
from stages.teacher.request import Answer, Request
from stages.teacher.settings import TeacherSettings
from stages.teacher.store import AnswerStore

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 60.0
_GRACE_S = 10.0
_SYNC_S = 1.0
"""Seconds between writes of the answers to the disk itself: what a power failure can cost."""
_HOPELESS = 8
"""Requests in a row whose attempts all fail: the endpoint is down, and the others are not tried."""


class TeacherError(StagecoachError):
    """The endpoint does not answer. What it has answered is kept."""


class _Busy(Exception):  # noqa: N818  (an outcome of one attempt)
    """An attempt failed, and another one may not."""

    def __init__(self, reason: str, wait_s: float | None = None) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


@dataclass
class _Round:
    """The state of one call of `ask`."""

    todo: Iterator[tuple[str, Request]]
    unanswered: int = 0
    in_a_row: int = 0
    reason: str = ""
    quiet_until: float = 0.0
    """Time of the loop before which nothing is sent: the endpoint asked for a pause."""
    failure: BaseException | None = field(default=None)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held by the worker that sends next."""


class Teacher:
    """An endpoint, asked through a store."""

    def __init__(
        self,
        settings: TeacherSettings,
        store: AnswerStore,
        meter: Meter,
        *,
        should_stop: Callable[[], bool] = lambda: False,
        progress: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._settings, self._store, self._meter = settings, store, meter
        self._should_stop, self._progress = should_stop, progress

    def ask(self, requests: Sequence[Request]) -> list[Answer]:
        """Return the answer to each request, in order.

        Raises ConfigError if the endpoint refuses the key or the model, BudgetError, TeacherError if too many requests
        stay unanswered, DataError if a replay lacks an answer, and Checkpointed if the scheduler asks to stop.
        """
        digests = [request.digest(self._settings.model) for request in requests]
        missing = {name: request for name, request in zip(digests, requests, strict=True) if name not in self._store}
        self._progress(len(self._store))
        if missing and self._settings.replay:
            raise DataError(
                self._store.folder,
                f"{len(missing)} of {len(digests)} answers are missing",
                "Set `replay: false` to ask for them",
            )
        if missing:
            asyncio.run(self._ask(missing))
        found = [self._store.get(name) for name in digests]
        return [answer for answer in found if answer is not None]

    async def _ask(self, missing: dict[str, Request]) -> None:
        key = read_key(self._settings)
        state = _Round(iter(missing.items()))
        async with openai.AsyncOpenAI(
            base_url=self._settings.url,
            api_key=key,
            timeout=self._settings.timeout_s,
            max_retries=0,
            http_client=openai.DefaultAioHttpClient(verify=self._settings.url.startswith("https:")),
        ) as client:
            workers = min(self._settings.concurrency, len(missing))
            await self._watch({asyncio.create_task(self._work(client, key, state)) for _ in range(workers)}, state)
        self._store.sync()
        self._meter.flush()
        if state.failure is not None:
            raise state.failure
        if state.unanswered > self._settings.unanswered:
            raise TeacherError(
                f"{self._settings.url}: {state.unanswered} of {len(missing)} requests have no answer after "
                f"{self._settings.attempts} attempts ({state.reason}). All others are kept: run again, or raise "
                "`unanswered`"
            )

    async def _watch(self, workers: set[asyncio.Task[None]], state: _Round) -> None:
        """Wait for the workers. After a failure, or a request to stop, those under way have _GRACE_S to end."""
        while workers and state.failure is None:
            _, workers = await asyncio.wait(workers, timeout=_SYNC_S, return_when=asyncio.FIRST_EXCEPTION)
            await asyncio.to_thread(self._store.sync)
            self._meter.flush()
            if state.failure is None and self._should_stop():
                state.failure = Checkpointed()
        if workers:
            _, late = await asyncio.wait(workers, timeout=_GRACE_S)
            for worker in late:
                worker.cancel()

    async def _work(self, client: openai.AsyncOpenAI, key: str, state: _Round) -> None:
        """Take requests and answer them until there are no more, or one fails for good."""
        for name, request in state.todo:
            if state.failure is not None:
                return
            try:
                await self._answer(client, key, state, name, request)
            except StagecoachError as error:
                state.failure = state.failure or error
                return

    async def _answer(self, client: openai.AsyncOpenAI, key: str, state: _Round, name: str, request: Request) -> None:
        loop = asyncio.get_running_loop()
        pause = 0.0
        for attempt in range(self._settings.attempts):
            wait = max(pause, self._meter.reserve(request), state.quiet_until - loop.time())
            if wait > 0:
                await asyncio.sleep(wait)
            # aiohttp writes a request one round of the loop after it is made. Workers whose answers arrive together
            # would make all their requests before the first is written: 0.5 ms of CPU each (EPYC).
            async with state.turn:
                await asyncio.sleep(0)
            try:
                answer = await self._once(client, key, name, request)
            except _Busy as busy:
                self._meter.settle(request, None)
                state.reason = str(busy)
                pause = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2**attempt) * random.uniform(0.5, 1.0)
                if busy.wait_s is not None:  # an endpoint that is too busy for one is so for all
                    state.quiet_until = max(state.quiet_until, loop.time() + busy.wait_s)
                continue
            self._store.put(name, answer)
            self._meter.settle(request, answer)
            self._progress(len(self._store))
            state.in_a_row = 0
            return
        self._give_up(state, name)

    def _give_up(self, state: _Round, name: str) -> None:
        state.unanswered += 1
        state.in_a_row += 1
        log.warning(f"request {name[:12]} has no answer: {state.reason}")
        if state.unanswered <= self._settings.unanswered:
            self._store.put(name, Answer(text="", finish="unanswered"))
        elif state.in_a_row >= _HOPELESS:
            raise TeacherError(
                f"{self._settings.url}: no answer to {state.in_a_row} requests in a row ({state.reason}). Look at the "
                "endpoint, then run again: answers so far are kept"
            )

    async def _once(self, client: openai.AsyncOpenAI, key: str, name: str, request: Request) -> Answer:
        """Send a request once. Raises _Busy if it may be sent again, ConfigError for a refused key or model."""
        try:
            # By the client's plain `post`: its typed method spends 1 ms of CPU on checks of what is JSON already. An
            # endpoint that knows the header answers a request of a killed attempt without a second charge.
            done = await client.post(
                request.path,
                cast_to=object,
                body=request.body(self._settings.model),
                options={"headers": {"Idempotency-Key": name}},
            )
        except openai.APIStatusError as error:
            return self._refused(error, without(key, error.message))
        except openai.APITimeoutError as error:
            raise _Busy(f"no answer within {self._settings.timeout_s:g} s") from error
        except (openai.APIError, ValueError) as error:
            raise _Busy(without(key, f"{type(error).__name__}: {error}")) from error
        try:
            return read_score(done, request, self._settings.url) if request.scored else read_text(done)
        except (AttributeError, KeyError, IndexError, TypeError, ValueError) as error:
            raise _Busy(f"the answer is no completion ({error!r})") from error  # a broken proxy's, or half of one

    def _refused(self, error: openai.APIStatusError, message: str) -> Answer:
        status = error.status_code
        if status in {408, 409, 425, 429} or status >= 500:
            raise _Busy(
                f"status {status}: {message}", _retry_after(error.response.headers.get("retry-after"))
            ) from error
        if status in {401, 403}:
            raise ConfigError("key_env", self._settings.key_env, f"a key that {self._settings.url} accepts ({message})")
        if status == 404:
            raise ConfigError("model", self._settings.model, f"a model that {self._settings.url} has ({message})")
        return Answer(text=message, finish="refused")


def _retry_after(text: str | None) -> float | None:
    """Return the seconds of a Retry-After header; None for none, or for a date."""
    try:
        return None if text is None else min(float(text), 10 * _LONGEST_PAUSE_S)
    except ValueError:
        return None
