"""Calls of tools within a text that grows, in Toolformer's notation (arXiv:2302.04761, section 2).

At the arrow a row stops, the tool runs, and its result is put behind the arrow with the closing bracket: one step of
the cached batch, in which the other rows go on. A call begins where its first token is among the ten likeliest, as in
the paper, and a text has one call unless more are allowed. Where ` [` is several tokens, the rule is for the last one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from stages.formats.calls.inline import START, STOP, InlineCall, open_call, write_result
from stages.generate.requests import Growth, Insert, Steer
from stages.generate.text import Codec

AMONG = 10
"""A call begins where its first token is among so many likeliest ones."""
MAX_CALLS = 1
Run = Callable[[InlineCall], str]
"""Returns the result of a call, or the text of its failure. Never raises for what a model wrote."""
_ANY = "a"


@dataclass(frozen=True, kw_only=True)
class Calling:
    """How a model may call tools in a text."""

    codec: Codec
    run: Run | None
    """None: the model calls none, whatever it learned."""
    most: int = MAX_CALLS
    among: int = AMONG

    @cached_property
    def start(self) -> tuple[int, ...]:
        """The tokens of ` [`, which begin a call within a text."""
        with_start, without = (self.codec.encode(text) for text in (_ANY + START, _ANY))
        return tuple(with_start[len(without) :])

    @cached_property
    def _stop(self) -> int:
        return self.codec.encode(_ANY + STOP)[-1]

    def hook(self, growth: Growth) -> Insert | None:
        """Return the result of a call whose arrow has just been written."""
        if self.run is None or not growth.text.rstrip().endswith((">", "\u2192")):
            return None
        call = open_call(growth.text)
        if call is None:
            return None
        written = f"{write_result(self.run(call))}{STOP}"
        with_result, without = (self.codec.encode(text) for text in (f"{growth.text} {written}", growth.text))
        return Insert(tuple(with_result[len(without) :]))

    def steer(self, tokens: Sequence[int]) -> Steer | None:
        """Return the change of the next choice: a call is taken early, or none may begin."""
        if self.run is None:
            return Steer(banned=self.start[-1:])
        size = len(self.start)
        begun = [at for at in range(len(tokens) - size + 1) if tuple(tokens[at : at + size]) == self.start]
        if len(begun) >= self.most:
            return Steer(banned=self.start[-1:])
        is_within = bool(begun) and self._stop not in tokens[begun[-1] :]
        if is_within or tuple(tokens[len(tokens) - size + 1 :]) != self.start[:-1]:
            return None
        return Steer(wanted=self.start[-1], among=self.among)
