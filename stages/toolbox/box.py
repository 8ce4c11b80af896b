"""Runs calls of tools within bounds. An outcome is data: a text, and the reason if the call failed.

Both notations of calls end here: OpenAI's (stages/formats/calls/tool_calls.py) and Toolformer's (inline.py).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from threading import BoundedSemaphore, Thread
from time import monotonic

from stages.formats.calls.functions import Function, resolve
from stages.formats.calls.inline import InlineCall
from stages.formats.calls.tool_calls import ToolCall
from stages.formats.chat.rejects import Reject
from stages.shared import log
from stages.toolbox.tools import Tool

AT_ONCE = 64
"""Calls of a box that run at once. Overdue ones count until they end."""


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """Most that one call may take and give."""

    input_chars: int = 1000
    result_chars: int = 4000
    """A longer result is cut."""
    seconds: float = 10.0
    """Time to wait for a result; 0: run the tool in the caller's thread, and wait."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The end of a call."""

    text: str
    """The result, or what to say to the model about the failure."""
    reason: str = ""
    """Empty: the call succeeded. Else a reason of the tool or of its schema, `unknown_tool`, `too_long`, `too_slow`,
    `too_busy` or `broken`."""
    seconds: float


class Toolbox:
    """Tools by name. May be used by any number of threads."""

    def __init__(self, tools: Sequence[Tool], bounds: Bounds | None = None) -> None:
        self.tools = {tool.name: tool for tool in tools}
        self._bounds = bounds or Bounds()
        self._inline = {tool.inline_name: tool for tool in tools}
        self._places = BoundedSemaphore(AT_ONCE)

    @property
    def functions(self) -> list[Function]:
        """The tools as OpenAI's API declares them."""
        return [tool.function for tool in self.tools.values()]

    def only(self, names: Collection[str]) -> Toolbox:
        """Return a box of some of the tools, with the same bounds."""
        return Toolbox([tool for name, tool in self.tools.items() if name in names], self._bounds)

    def call(self, call: ToolCall) -> Outcome:
        """Return the outcome of a call in OpenAI's notation. Never raises for what a model wrote."""
        try:
            if call.name not in self.tools:
                raise self._unknown(call.name, self.tools)
            tool = self.tools[call.name]
            _, arguments = resolve(call, [tool.function])
            given = str(arguments[tool.parameter]) if tool.parameter else ""
        except Reject as reject:
            return _failed(reject, 0.0)
        return self._run(tool, given)

    def inline(self, call: InlineCall) -> Outcome:
        """Return the outcome of a call in Toolformer's notation. Never raises for what a model wrote."""
        tool = self._inline.get(call.tool)
        if tool is None:
            return _failed(self._unknown(call.tool, self._inline), 0.0)
        return self._run(tool, call.input)

    def _unknown(self, name: str, known: dict[str, Tool]) -> Reject:
        return Reject("unknown_tool", f"{name}; known: {', '.join(known)}")

    def _run(self, tool: Tool, given: str) -> Outcome:
        start = monotonic()
        try:
            if len(given) > self._bounds.input_chars:
                raise Reject("too_long", f"an input of more than {self._bounds.input_chars} characters")
            text = self._in_time(tool, given) if self._bounds.seconds else tool.answer(given)
        except Reject as reject:
            return _failed(reject, monotonic() - start)
        except Exception as error:  # a tool that fails is one failed call
            log.error(f"tool {tool.name} failed: {type(error).__name__}")
            return _failed(Reject("broken", f"{tool.name} failed"), monotonic() - start)
        return Outcome(text=text[: self._bounds.result_chars], seconds=monotonic() - start)

    def _in_time(self, tool: Tool, given: str) -> str:
        """Return the result from a thread of its own, which is left to itself if it takes too long."""
        if not self._places.acquire(blocking=False):
            raise Reject("too_busy", f"{AT_ONCE} calls are under way")
        future: Future[str] = Future()

        def work() -> None:
            try:
                future.set_result(tool.answer(given))
            except BaseException as error:
                future.set_exception(error)
            finally:
                self._places.release()

        Thread(target=work, name=f"tool {tool.name}", daemon=True).start()
        try:
            return future.result(self._bounds.seconds)
        except TimeoutError as error:
            if future.done():  # the tool's own
                raise
            raise Reject("too_slow", f"no result within {self._bounds.seconds:g} s") from error


def _failed(reject: Reject, seconds: float) -> Outcome:
    return Outcome(text=f"error: {reject.detail or reject.reason}", reason=reject.reason, seconds=seconds)
