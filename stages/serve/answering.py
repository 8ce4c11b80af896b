"""Answers requests: a body becomes rows of an engine, and their texts become answers or streams.

    body -> asked (typed, bounded) -> messages -> tokens, sampling, grammar -> rows -> pieces -> answer or stream

What takes long happens in threads: the event loop stays free.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus
from pathlib import Path

from stages.formats.chat.chats import text_message
from stages.generate.requests import Continuation, Request
from stages.serve.answers import (
    ChatChoice,
    Counted,
    Record,
    chat_answer,
    chunk,
    completion_finish,
    completion_logprobs,
    envelope,
    new_id,
)
from stages.serve.asked import ChatAsked, Common, CompletionAsked, parse_asked, prompts_of
from stages.serve.config import Limits, ServeConfig
from stages.serve.grammars import Mask, grammar_of
from stages.serve.models import Model, loader
from stages.serve.parts import read_messages
from stages.serve.problems import Problem
from stages.serve.rows import Ended, Rows
from stages.serve.tools import declared

Answer = Record | AsyncIterator[Record]
_GRACE_S = 5.0
"""Time after the deadline of its rows in which a request's answer must be there."""


class Answering:
    """All models of a server."""

    def __init__(self, names: Sequence[str], load: Callable[[str], Model], limits: Limits) -> None:
        """`load` is called in one thread at a time."""
        self._names, self._load, self._limits = names, load, limits
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

    async def chat(self, body: bytes) -> Answer:
        """Answer /v1/chat/completions. Raises Problem."""
        asked = await asyncio.to_thread(parse_asked, ChatAsked, body)
        model = await self.model(asked.model)
        requests = await asyncio.to_thread(self._chat_requests, asked, model)
        counted = Counted(len(requests[0].prompt))
        choices = [ChatChoice(asked, model) for _ in requests]
        if asked.stream:
            return self._bounded(self._chat_stream(asked, model, requests, choices, counted))
        return await self._in_time(self._whole_chat(model, requests, choices, counted))

    async def complete(self, body: bytes) -> Answer:
        """Answer /v1/completions. Raises Problem."""
        asked = await asyncio.to_thread(parse_asked, CompletionAsked, body)
        model = await self.model(asked.model)
        requests, counted = await asyncio.to_thread(self._completion_requests, asked, model)
        if asked.stream:
            return self._bounded(self._completion_stream(asked, model, requests, counted))
        return await self._in_time(self._whole_completion(asked, model, requests, counted))

    def _chat_requests(self, asked: ChatAsked, model: Model) -> list[Request]:
        messages = read_messages(asked.messages, self._limits)
        if asked.tools and asked.tool_choice != "none":
            if len(asked.tools) > self._limits.tools:
                raise Problem(f"tools: {len(asked.tools)} of them, at most {self._limits.tools}", param="tools")
            text = declared([tool.function for tool in asked.tools])
            has_system = messages[0].role == "system"
            first = f"{messages[0].text}\n\n{text}" if has_system else text
            messages[: int(has_system)] = [text_message("system", first)]
        prompt = model.chat_prompt(messages)
        grammar = grammar_of(asked)
        count = self._choices(asked)
        masks = [Mask(model.vocabulary, *grammar) if grammar else None for _ in range(count)]
        wanted = asked.max_completion_tokens if asked.max_tokens is None else asked.max_tokens
        return model.requests(prompt, asked, wanted, (asked.top_logprobs or 0) if asked.logprobs else None, masks)

    def _completion_requests(self, asked: CompletionAsked, model: Model) -> tuple[list[Request], Counted]:
        prompts = [model.text_prompt(prompt) for prompt in prompts_of(asked)]
        count = self._choices(asked, len(prompts))
        masks = [None] * (count // len(prompts))
        limit = 16 if asked.max_tokens is None else asked.max_tokens
        found = [each for prompt in prompts for each in model.requests(prompt, asked, limit, asked.logprobs, masks)]
        return found, Counted(sum(map(len, prompts)))

    def _choices(self, asked: Common, prompts: int = 1) -> int:
        """Return the number of rows. Raises Problem for too many."""
        count = (asked.n or 1) * prompts
        if not 0 < count <= self._limits.choices:
            param = "n" if prompts == 1 else "prompt"
            raise Problem(f"{param}: {count} answers, must be from 1 to {self._limits.choices}", param=param)
        return count

    def _rows(self, model: Model, requests: Sequence[Request], *, streams: bool) -> Rows:
        try:
            return Rows(model.front, requests, streams=streams, seconds=self._limits.seconds)
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

    async def _whole_chat(
        self, model: Model, requests: Sequence[Request], choices: Sequence[ChatChoice], counted: Counted
    ) -> Record:
        answers = await self._ends(model, requests, counted)
        for choice, answer in zip(choices, answers, strict=True):
            for _ in choice.deltas(answer.text, is_end=True):
                pass
        return chat_answer(new_id("chatcmpl"), model, [*zip(choices, answers, strict=True)], counted)

    async def _chat_stream(
        self,
        asked: ChatAsked,
        model: Model,
        requests: Sequence[Request],
        choices: Sequence[ChatChoice],
        counted: Counted,
    ) -> AsyncIterator[Record]:
        start = envelope("chat.completion.chunk", new_id("chatcmpl"), model)

        def piece(place: int, delta: Record, reason: str | None = None, logprobs: Record | None = None) -> Record:
            return chunk(start, {"index": place, "delta": delta, "logprobs": logprobs, "finish_reason": reason})

        with self._rows(model, requests, streams=True) as rows:
            for place in range(len(requests)):
                yield piece(place, {"role": "assistant", "content": ""})
            async for event in rows.events():
                choice = choices[event.place]
                for delta in choice.deltas(event.text, is_end=isinstance(event, Ended)):
                    yield piece(event.place, delta)
                if isinstance(event, Ended):
                    counted.add(event.answer)
                    yield piece(event.place, {}, choice.finish(event.answer), choice.logprobs(event.answer))
        if asked.stream_options and asked.stream_options.include_usage:
            yield chunk(start, None, counted.usage)

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


def open_answering(folders: Mapping[str, Path], tokenizer: Path, config: ServeConfig) -> Answering:
    """Return what answers for the checkpoints in `folders`, by the names of their models. Loads none yet."""
    return Answering([*folders], loader(folders, tokenizer, config), config.limits)
