"""Answers requests: a body becomes rows of an engine, and their texts become answers or streams.

    body -> asked (typed, bounded) -> talk: messages, tokens, sampling, grammar -> rows -> pieces -> answer or stream

What takes long happens in threads: the event loop stays free.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from http import HTTPStatus
from pathlib import Path
from time import monotonic
from typing import Any

from stages.formats.calls.functions import function_record
from stages.formats.calls.tool_calls import ToolCall
from stages.generate.requests import Continuation, Request
from stages.serve.answers import (
    Counted,
    Finish,
    Record,
    chat_answer,
    chunk,
    completion_finish,
    completion_logprobs,
    envelope,
    new_id,
)
from stages.serve.asked import ChatAsked, CompletionAsked, parse_asked, prompts_of
from stages.serve.config import ServeConfig
from stages.serve.http.server import Files
from stages.serve.models import Model, loader
from stages.serve.own_tools import open_toolbox
from stages.serve.problems import Problem
from stages.serve.rows import Ended, Rows
from stages.serve.talks import Setting, Talk, count_choices

INDEXES = "indexes"
"""Folder of a run with the indexes of its servers' searches."""
Answer = Record | AsyncIterator[Record]
_GRACE_S = 5.0
"""Time after the deadline of its rows in which a request's answer must be there."""


class Answering:
    """All models of a server."""

    def __init__(self, names: Sequence[str], load: Callable[[str], Model], setting: Setting) -> None:
        """`load` is called in one thread at a time."""
        self._names, self._load, self._setting = names, load, setting
        self._limits = setting.limits
        self._models: dict[str, Model] = {}
        self._loading = asyncio.Lock()

    def close(self) -> None:
        """End the engines. What they have begun is answered first."""
        for model in self._models.values():
            model.close()

    async def model(self, name: str) -> Model:
        """Return a model, loaded. Raises Problem for a name that is none."""
        if name not in self._names:
            problem = f"model: {name!r} is none of {', '.join(self._names)}"
            raise Problem(problem, param="model", code="model_not_found", status=HTTPStatus.NOT_FOUND)
        async with self._loading:
            if name not in self._models:
                self._models[name] = await asyncio.to_thread(self._load, name)
        return self._models[name]

    @property
    def tools(self) -> list[Record]:
        """The tools that the server runs, as the API has tools."""
        return [function_record(function) for function in self._setting.toolbox.functions]

    async def chat(self, body: bytes) -> Answer:
        """Answer /v1/chat/completions. Raises Problem."""
        asked = await asyncio.to_thread(parse_asked, ChatAsked, body)
        model = await self.model(asked.model)
        talk = await asyncio.to_thread(Talk, asked, model, self._setting)
        if asked.stream:
            return self._bounded(self._chat_stream(talk))
        return await self._in_time(self._whole_chat(talk))

    async def complete(self, body: bytes) -> Answer:
        """Answer /v1/completions. Raises Problem."""
        asked = await asyncio.to_thread(parse_asked, CompletionAsked, body)
        model = await self.model(asked.model)
        requests, counted = await asyncio.to_thread(self._completion_requests, asked, model)
        if asked.stream:
            return self._bounded(self._completion_stream(asked, model, requests, counted))
        return await self._in_time(self._whole_completion(asked, model, requests, counted))

    def _completion_requests(self, asked: CompletionAsked, model: Model) -> tuple[list[Request], Counted]:
        prompts = [model.text_prompt(prompt) for prompt in prompts_of(asked)]
        count = count_choices(asked.n, self._limits, len(prompts))
        masks = [None] * (count // len(prompts))
        limit = 16 if asked.max_tokens is None else asked.max_tokens
        found = [each for prompt in prompts for each in model.requests(prompt, asked, limit, asked.logprobs, masks)]
        return found, Counted(sum(map(len, prompts)))

    def _rows(self, model: Model, requests: Sequence[Request], **changes: Any) -> Rows:
        try:
            return Rows(model.front, requests, **{"seconds": self._limits.seconds, **changes})
        except RuntimeError as error:
            raise Problem("the engine has ended", status=HTTPStatus.SERVICE_UNAVAILABLE) from error

    async def _ends(self, model: Model, requests: Sequence[Request], counted: Counted) -> list[Continuation]:
        """Return the answers of rows, in order."""
        found: dict[int, Continuation] = {}
        with self._rows(model, requests, streams=False) as rows:
            async for event in rows.events():
                if isinstance(event, Ended):
                    found[event.place] = event.answer
                    counted.add(event.answer)
        return [found[place] for place in range(len(requests))]

    async def _pieces(self, talk: Talk, *, streams: bool) -> AsyncIterator[tuple[int, Record | Finish]]:
        """Yield the deltas of the answers of a conversation, by their places, and how each one ends."""
        deadline = monotonic() + self._limits.seconds
        with talk:
            while True:
                calls: list[ToolCall] = []
                timing = {"seconds": deadline - monotonic(), "held": talk.held()}
                with self._rows(talk.model, talk.requests, streams=streams, **timing) as rows:
                    async for event in rows.events():
                        choice, is_end = talk.choices[event.place], isinstance(event, Ended)
                        for delta in choice.deltas(event.text, is_end=is_end):
                            yield event.place, delta
                        if isinstance(event, Ended):
                            talk.counted.add(event.answer)
                            calls = talk.calls(event.answer)
                            if not calls:
                                yield event.place, choice.finish(event.answer)
                if not calls:
                    return
                results = await talk.run(calls)
                yield 0, {"tool_results": results}
                if not await asyncio.to_thread(talk.go_on, results):
                    yield 0, Finish("length")
                    return

    async def _whole_chat(self, talk: Talk) -> Record:
        found: dict[int, Finish] = {}
        async for place, piece in self._pieces(talk, streams=False):
            if isinstance(piece, Finish):
                found[place] = piece
        ends = [(choice, found[place]) for place, choice in enumerate(talk.choices)]
        return chat_answer(new_id("chatcmpl"), talk.model, ends, talk.counted)

    async def _chat_stream(self, talk: Talk) -> AsyncIterator[Record]:
        start = envelope("chat.completion.chunk", new_id("chatcmpl"), talk.model)

        def piece(place: int, delta: Record, end: Finish | None = None) -> Record:
            logprobs, reason = (end.logprobs, end.reason) if end else (None, None)
            return chunk(start, {"index": place, "delta": delta, "logprobs": logprobs, "finish_reason": reason})

        for place in range(len(talk.choices)):
            yield piece(place, {"role": "assistant", "content": ""})
        async for place, found in self._pieces(talk, streams=True):
            yield piece(place, {}, found) if isinstance(found, Finish) else piece(place, found)
        if talk.asked.stream_options and talk.asked.stream_options.include_usage:
            yield chunk(start, None, talk.counted.usage)

    async def _whole_completion(
        self, asked: CompletionAsked, model: Model, requests: Sequence[Request], counted: Counted
    ) -> Record:
        answers = await self._ends(model, requests, counted)
        choices = [
            {
                "index": place,
                "text": answer.text,
                "logprobs": completion_logprobs(asked, model, answer),
                "finish_reason": completion_finish(answer),
            }
            for place, answer in enumerate(answers)
        ]
        return {**envelope("text_completion", new_id("cmpl"), model), "choices": choices, "usage": counted.usage}

    async def _completion_stream(
        self, asked: CompletionAsked, model: Model, requests: Sequence[Request], counted: Counted
    ) -> AsyncIterator[Record]:
        start = envelope("text_completion", new_id("cmpl"), model)
        with self._rows(model, requests, streams=True) as rows:
            async for event in rows.events():
                reason, logprobs = None, None
                if isinstance(event, Ended):
                    counted.add(event.answer)
                    reason = completion_finish(event.answer)
                    logprobs = completion_logprobs(asked, model, event.answer)
                choice = {"index": event.place, "text": event.text, "logprobs": logprobs, "finish_reason": reason}
                yield chunk(start, choice)
        if asked.stream_options and asked.stream_options.include_usage:
            yield chunk(start, None, counted.usage)

    async def _in_time(self, answer: Awaitable[Record]) -> Record:
        """Return an answer. Raises Problem if its turn does not come in time."""
        try:
            async with asyncio.timeout(self._limits.seconds + _GRACE_S):
                return await answer
        except TimeoutError as error:
            raise _too_late() from error

    async def _bounded(self, pieces: AsyncIterator[Record]) -> AsyncIterator[Record]:
        """Yield the pieces of a stream. Raises Problem if they do not come in time."""
        deadline = asyncio.get_running_loop().time() + self._limits.seconds + _GRACE_S
        while True:
            try:
                async with asyncio.timeout_at(deadline):
                    piece = await anext(pieces)
            except StopAsyncIteration:
                return
            except TimeoutError as error:
                raise _too_late() from error
            yield piece


def _too_late() -> Problem:
    return Problem("no answer in time", code="timeout", status=HTTPStatus.GATEWAY_TIMEOUT)


def open_answering(files: Files, config: ServeConfig, run_dir: Path) -> Answering:
    """Return what answers for the models of a server. Loads none yet."""
    toolbox = open_toolbox(config, files.corpus, run_dir / INDEXES)
    among = config.inline_among if config.notation == "inline" else None
    setting = Setting(limits=config.limits, toolbox=toolbox, inline_among=among)
    return Answering([*files.models], loader(files.models, files.tokenizer, config), setting)
