"""A conversation that is being answered: its prompts, its answers as they grow, and the calls that the server runs.

    messages -> prompt -> rows -> calls of the server's tools -> their results as messages -> prompt -> ... -> answer

Results are texts of messages: control tokens typed in them are letters.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from stages.formats.calls.tool_calls import ToolCall
from stages.formats.chat.chats import Message, text_message
from stages.generate.calls import Calling
from stages.generate.requests import Continuation, Request
from stages.serve.answers import ChatChoice, Counted, Record
from stages.serve.asked import ChatAsked, Function, Tool
from stages.serve.config import Limits
from stages.serve.gallery import Held
from stages.serve.grammars import Mask, grammar_of
from stages.serve.models import Model
from stages.serve.parts import read_messages
from stages.serve.problems import Problem
from stages.serve.tools import declared, written_call
from stages.toolbox.box import Toolbox


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What a server brings to every conversation."""

    limits: Limits
    toolbox: Toolbox
    inline_among: int | None = None
    """The server's tools are called within texts, in Toolformer's notation: a call begins where its first token is
    among so many likeliest ones. None: they are called as OpenAI's API has it."""

    @property
    def is_inline(self) -> bool:
        """Whether the server's tools are called within texts."""
        return self.inline_among is not None


class Talk:
    """One request of /v1/chat/completions. Use as a context manager: pictures are held until it ends."""

    def __init__(self, asked: ChatAsked, model: Model, setting: Setting) -> None:
        """Raises Problem for what cannot be answered."""
        self.model, self._setting = model, setting
        self.asked = _with_own_tools(asked, setting)
        self._own = frozenset() if setting.is_inline else frozenset(asked.server_tools or ())
        self._messages, media = read_messages(asked.messages, setting.limits)
        self._declare()
        self._rounds = 0
        count = count_choices(asked.n, setting.limits)
        self.choices = [ChatChoice(self.asked, model) for _ in range(count)]
        self.counted = Counted()
        self._held = model.show(media)
        self.requests = self._prompted()

    def __enter__(self) -> Talk:
        return self

    def __exit__(self, *error: object) -> None:
        self._held.release()

    def held(self) -> Held:
        """Return a hold of the pictures for rows, which may end after the conversation."""
        return self._held.again()

    def _declare(self) -> None:
        tools = self.asked.tools
        if not tools or self.asked.tool_choice == "none":
            return
        if len(tools) > self._setting.limits.tools:
            raise Problem(f"tools: {len(tools)} of them, at most {self._setting.limits.tools}", param="tools")
        text, messages = declared([tool.function for tool in tools]), self._messages
        has_system = messages[0].role == "system"
        first = f"{messages[0].text}\n\n{text}" if has_system else text
        messages[: int(has_system)] = [text_message("system", first)]

    def _prompted(self) -> list[Request]:
        """Return the rows of the next round."""
        asked = self.asked
        prompt = self.model.chat_prompt(self._messages)
        grammar = grammar_of(asked)
        masks = [Mask(self.model.vocabulary, *grammar) if grammar else None for _ in self.choices]
        wanted = asked.max_completion_tokens if asked.max_tokens is None else asked.max_tokens
        left = None if wanted is None else wanted - self.counted.completion
        logprobs = (asked.top_logprobs or 0) if asked.logprobs else None
        found = self.model.requests(prompt, asked, left, logprobs, masks)
        self.counted.prompt += len(prompt)
        return [self._calling(request) for request in found] if self._setting.is_inline else found

    def _calling(self, request: Request) -> Request:
        """Return a row that may call tools within its text, or that may not, whatever the model learned."""
        names, box = self.asked.server_tools, self._setting.toolbox
        own = box.only(names) if names else None
        run = (lambda call: own.inline(call).text) if own else None
        calling = Calling(codec=self.model.tokenizer, run=run, among=self._setting.inline_among or 1)
        return replace(request, hook=calling.hook, steer=calling.steer)

    def calls(self, answer: Continuation) -> list[ToolCall]:
        """Return the calls of a row that the server now runs; []: the answer is whole.

        A turn that also calls a tool of the client is the client's, and so is one after the last round.
        """
        if not self._own or self._rounds >= self._setting.limits.tool_rounds:
            return []
        (choice,) = self.choices
        found = choice.called
        is_own = choice.is_whole(answer) and all(call.name in self._own for call in found)
        return found if is_own else []

    async def run(self, calls: Sequence[ToolCall]) -> list[Record]:
        """Run calls side by side; return their results, as a stream has them."""
        box = self._setting.toolbox
        outcomes = await asyncio.gather(*(asyncio.to_thread(box.call, call) for call in calls))
        return [
            {
                "tool_call_id": call.id,
                "content": outcome.text,
                "reason": outcome.reason or None,
                "seconds": round(outcome.seconds, 6),
            }
            for call, outcome in zip(calls, outcomes, strict=True)
        ]

    def go_on(self, results: Sequence[Record]) -> bool:
        """Take the results of calls, and make the rows of the next round; return False if there is no room for one.

        From then on the model may answer freely, also if the first answer had to be a call.
        """
        (choice,) = self.choices
        self._messages += _turn(choice, results)
        choice.next_round(results)
        self._rounds += 1
        self.asked = choice.asked = self.asked.model_copy(update={"tool_choice": "auto"})
        wanted = self.asked.max_completion_tokens if self.asked.max_tokens is None else self.asked.max_tokens
        if wanted is not None and self.counted.completion >= wanted:
            return False
        try:
            self.requests = self._prompted()
        except Problem as problem:
            if problem.code == "context_length_exceeded":
                return False
            raise
        return True


def _turn(choice: ChatChoice, results: Sequence[Record]) -> Iterator[Message]:
    """Yield the messages of a round as a client would send them back."""
    calls = "".join(written_call(call.name, call.arguments) for call in choice.called)
    yield text_message("assistant", choice.content + calls)
    for result in results:
        yield text_message("tool", result["content"])


def _with_own_tools(asked: ChatAsked, setting: Setting) -> ChatAsked:
    """Return the request with the server's tools that it asks for among its tools. Raises Problem."""
    names = asked.server_tools or ()
    known = {function.name: function for function in setting.toolbox.functions}
    if unknown := next((name for name in names if name not in known), None):
        offered = ", ".join(known) or "none"
        raise Problem(f"server_tools: {unknown!r} is not run here; offered: {offered}", param="server_tools")
    if names and ((asked.n or 1) > 1 or asked.logprobs):
        raise Problem("server_tools: must be absent with n above 1 or logprobs", param="server_tools")
    if setting.is_inline:
        return asked  # the model knows its tools
    tools = [
        Tool(
            type="function",
            function=Function(name=name, description=known[name].description, parameters=dict(known[name].parameters)),
        )
        for name in names
    ]
    return asked.model_copy(update={"tools": (*(asked.tools or ()), *tools)}) if tools else asked


def count_choices(n: int | None, limits: Limits, prompts: int = 1) -> int:
    """Return the number of rows. Raises Problem for too many."""
    count = (n or 1) * prompts
    if not 0 < count <= limits.choices:
        param = "n" if prompts == 1 else "prompt"
        problem = f"{param}: {count} answers, must be from 1 to {limits.choices}"
        raise Problem(problem, param=param)
    return count
