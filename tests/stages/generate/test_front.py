"""Many callers of one engine."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

import pytest

from stages.generate.front import Front, _settle
from stages.generate.requests import Continuation, Growth, Request, Stop
from stages.generate.sampling import Sampling
from tests.stages.generate.tiny import generator_of, mixed_requests

REQUEST = Request(prompt=(5, 6, 7), sampling=Sampling(max_tokens=8, ignore_eos=True))


def test_callers_of_many_threads_get_the_answers_of_the_engine_alone() -> None:
    requests = mixed_requests(24)
    expected = generator_of("RoPE").generate(requests)
    with Front(generator_of("RoPE", rows=5)) as front, ThreadPoolExecutor(8) as threads:
        futures = list(threads.map(front.submit, requests))
        assert [future.result(60) for future in futures] == expected


def test_an_event_loop_awaits_answers_and_streams_by_a_hook() -> None:
    seen: list[str] = []

    def stream(growth: Growth) -> None:
        seen.append(growth.text)

    async def ask(front: Front) -> list[Continuation]:
        asked = [replace(REQUEST, hook=stream), REQUEST]
        return [*await asyncio.gather(*(front.ask(request) for request in asked))]

    with Front(generator_of("RoPE")) as front:
        found = asyncio.run(ask(front))
    assert found[0] == found[1]
    assert [found[0].text.startswith(text) for text in seen] == [True] * 8
    assert len({*seen}) == 8


def test_what_was_asked_before_the_end_is_answered_and_nothing_after_it() -> None:
    with Front(generator_of("RoPE")) as front:
        future = front.submit(REQUEST)
    assert len(future.result(0).tokens) == 8
    with pytest.raises(RuntimeError, match="the engine is closed"):
        front.submit(REQUEST)
    with Front(generator_of("RoPE")):
        pass


def test_a_callers_mistake_is_its_own() -> None:
    def fail(_: object) -> Stop:
        raise KeyError("mine")

    with Front(generator_of("RoPE")) as front:
        bad = [
            front.submit(replace(REQUEST, prompt=())),
            front.submit(replace(REQUEST, hook=fail)),
            front.submit(replace(REQUEST, allowed=fail)),  # type: ignore[arg-type]
            front.submit(replace(REQUEST, steer=fail)),  # type: ignore[arg-type]
        ]
        assert len(front.submit(REQUEST).result(60).tokens) == 8
        assert [type(future.exception(60)) for future in bad] == [ValueError, KeyError, KeyError, KeyError]


def test_a_cancelled_request_ends_its_row() -> None:
    with Front(generator_of("RoPE")) as front:
        long = replace(REQUEST, sampling=replace(REQUEST.sampling, max_tokens=30))
        future = front.submit(long)
        future.cancel()
        assert len(front.submit(REQUEST).result(60).tokens) == 8
        assert future.cancelled()


def test_an_answer_that_comes_after_its_cancellation_harms_nobody() -> None:
    late: Future[Continuation] = Future()
    late.cancel()
    _settle(late, Continuation(text="", tokens=(), stopped="eos"))  # the engine saw it running a moment before
    _settle(late, KeyError("late"))
    assert late.cancelled()


def test_a_failure_of_the_engine_is_every_callers(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = generator_of("RoPE")

    def fail() -> None:
        raise MemoryError("full")

    monkeypatch.setattr(generator, "step", fail)
    monkeypatch.setattr("threading.excepthook", lambda _: None)
    with Front(generator) as front:
        assert isinstance(front.submit(REQUEST).exception(60), MemoryError)
        front._thread.join(60)
        with pytest.raises(RuntimeError, match="the engine is closed"):
            front.submit(REQUEST)
