"""Answers in the shape of OpenAI's API: whole ones and streams are made of the same pieces."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from stages.formats.calls.stream import Begun, CallStream, Content, Event, Piece
from stages.formats.calls.tool_calls import ToolCall
from stages.generate.requests import Continuation
from stages.generate.sampling import Logprobs
from stages.serve.asked import ChatAsked, CompletionAsked, NamedTool
from stages.serve.models import Model

_REASONS = {"eos": "stop", "until": "stop", "mask": "stop"}
"""Why a row ended, in OpenAI's words; what is not here was cut: `length`."""
Record = dict[str, Any]


def new_id(kind: str) -> str:
    """Return an id that no other answer has."""
    return f"{kind}-{secrets.token_hex(12)}"


@dataclass
class Counted:
    """Tokens of a request."""

    prompt: int = 0
    completion: int = 0

    def add(self, answer: Continuation) -> None:
        """Count an answer, with the token that ended it."""
        self.completion += len(answer.tokens) + (answer.end is not None)

    @property
    def usage(self) -> Record:
        """OpenAI's `usage`."""
        total = self.prompt + self.completion
        return {"prompt_tokens": self.prompt, "completion_tokens": self.completion, "total_tokens": total}


class Finish(NamedTuple):
    """The end of an answer of a chat."""

    reason: str
    logprobs: Record | None = None


@dataclass
class ChatChoice:
    """One answer of a chat as it grows. Each piece is a delta, as a stream has it; `message` adds them up."""

    asked: ChatAsked
    model: Model
    content: str = ""
    """Of this round, as `calls`."""
    calls: list[Record] = field(default_factory=list)
    steps: list[Record] = field(default_factory=list)
    """Messages of the rounds before, whose calls the server ran, with the results."""
    _stream: CallStream = field(default_factory=CallStream)
    _is_begun: bool = False
    _earlier: int = 0
    """Calls of the rounds before."""
    _problem: str = ""
    """Of a call that is none."""

    def deltas(self, text: str, *, is_end: bool = False) -> Iterator[Record]:
        """Yield the deltas that more text makes."""
        if text and not self._is_begun:
            # A tokenizer puts a space before a text: the answer's first one is not the model's.
            text, self._is_begun = text.removeprefix(" "), True
        for event in self._events(text, is_end):
            if isinstance(event, Content):
                self.content += event.text
                yield {"content": event.text}
            elif isinstance(event, Begun):
                yield {"tool_calls": [self._begin(event)]}
            elif isinstance(event, Piece):
                self.calls[-1]["function"]["arguments"] += event.text
                yield {"tool_calls": [{"index": self._index, "function": {"arguments": event.text}}]}
            else:
                self._problem = self._problem or event.problem

    @property
    def _index(self) -> int:
        """Number of the last call in the whole answer."""
        return self._earlier + len(self.calls) - 1

    @property
    def called(self) -> list[ToolCall]:
        """The calls of this round."""
        return [ToolCall(each["function"]["name"], each["function"]["arguments"], each["id"]) for each in self.calls]

    def is_whole(self, answer: Continuation) -> bool:
        """Whether this round has ended by itself, each of its calls with arguments that can be read."""
        return answer.stopped in _REASONS and not self._problem

    def next_round(self, results: Sequence[Record]) -> None:
        """Begin a round behind the results of this one's calls."""
        self.steps += [{"role": "assistant", "content": self.content or None, "tool_calls": self.calls}]
        self.steps += [{"role": "tool", **result} for result in results]
        self._earlier += len(self.calls)
        self.content, self.calls, self._stream, self._is_begun = "", [], CallStream(), False

    def _events(self, text: str, is_end: bool) -> list[Event]:
        """Return what more text is. Without tools all is content."""
        if not self.asked.tools or self.asked.tool_choice == "none":
            return [Content(text)] if text else []
        return [*self._stream.feed(text), *(self._stream.finish() if is_end else ())]

    def _begin(self, event: Begun) -> Record:
        function = {"name": event.name, "arguments": ""}
        call = {"id": f"call_{secrets.token_hex(12)}", "type": "function"}
        self.calls.append({**call, "function": {**function}})
        return {"index": self._index, **call, "function": function}

    @property
    def message(self) -> Record:
        """The whole message."""
        content = None if self.calls and not self.content else self.content
        calls = {"tool_calls": self.calls} if self.calls else {}
        steps = {"steps": self.steps} if self.steps else {}
        return {"role": "assistant", "content": content, "refusal": None, **calls, **steps}

    def finish(self, answer: Continuation) -> Finish:
        """Return why the answer ended, and the log probabilities of its tokens if they are asked for."""
        reason = _REASONS.get(answer.stopped, "length")
        if reason == "stop" and self.calls and not isinstance(self.asked.tool_choice, NamedTool):
            reason = "tool_calls"
        known = {"content": _chat_logprobs(self.model, answer), "refusal": None} if self.asked.logprobs else None
        return Finish(reason, known)


def envelope(kind: str, id: str, model: Model) -> Record:
    """Return what every answer begins with."""
    made = {"id": id, "object": kind, "created": int(time.time()), "model": model.name}
    return {**made, "system_fingerprint": model.fingerprint}


def _pairs(answer: Continuation) -> Iterator[tuple[int, Logprobs]]:
    """Yield the sampled tokens of a text with their log probabilities; the one that ended it is no part of it."""
    sampled = (token for place, token in enumerate(answer.tokens) if place not in answer.inserted)
    return zip(sampled, answer.logprobs, strict=False)


def _named(model: Model, token: int) -> Record:
    text, data = model.vocabulary.text_of(token)
    return {"token": text, "bytes": [*data]}


def _chat_logprobs(model: Model, answer: Continuation) -> list[Record]:
    return [
        {
            **_named(model, token),
            "logprob": known.chosen,
            "top_logprobs": [{**_named(model, other), "logprob": logprob} for other, logprob in known.best],
        }
        for token, known in _pairs(answer)
    ]


def completion_logprobs(asked: CompletionAsked, model: Model, answer: Continuation) -> Record | None:
    """Return the log probabilities of a completion in the older shape; None: none are asked for."""
    if asked.logprobs is None:
        return None
    pairs = list(_pairs(answer))
    tokens = [model.vocabulary.text_of(token)[0] for token, _ in pairs]
    offsets, place = [], 0
    for token in tokens:
        offsets.append(place)
        place += len(token)
    best = [{model.vocabulary.text_of(other)[0]: value for other, value in known.best} for _, known in pairs]
    return {
        "tokens": tokens,
        "token_logprobs": [known.chosen for _, known in pairs],
        "top_logprobs": best,
        "text_offset": offsets,
    }


def completion_finish(answer: Continuation) -> str:
    """Return why a completion ended."""
    return _REASONS.get(answer.stopped, "length")


def chat_answer(id: str, model: Model, choices: Sequence[tuple[ChatChoice, Finish]], counted: Counted) -> Record:
    """Return a whole answer."""
    listed = [
        {"index": place, "message": choice.message, "logprobs": finish.logprobs, "finish_reason": finish.reason}
        for place, (choice, finish) in enumerate(choices)
    ]
    return {**envelope("chat.completion", id, model), "choices": listed, "usage": counted.usage}


def chunk(start: Mapping[str, Any], choice: Record | None, usage: Record | None = None) -> Record:
    """Return a piece of a stream. `usage` belongs to the last one, which has no choice."""
    return {**start, "choices": [] if choice is None else [choice], **({} if usage is None else {"usage": usage})}
