"""Requests for text and their answers, and hooks into a row as it grows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from stages.generate.plan import Tokens
from stages.generate.sampling import Logprobs, Sampling


@dataclass(frozen=True)
class Growth:
    """A row so far."""

    tokens: Sequence[int]
    """After the prompt; read only."""
    text: str


@dataclass(frozen=True)
class Stop:
    """Ends a row."""

    reason: str
    """Becomes `Continuation.stopped`."""


@dataclass(frozen=True)
class Insert:
    """Puts tokens behind a row, which then goes on. They count towards `max_tokens`."""

    tokens: Tokens


Hook = Callable[[Growth], Stop | Insert | None]
"""Is called after each sampled token. Every rank calls it: its answer follows from its argument."""
Allowed = Callable[[Sequence[int]], Sequence[int] | None]
"""Returns the tokens that may come next, given those after the prompt; None: all. [] ends the row (`mask`)."""


@dataclass(frozen=True, kw_only=True)
class Steer:
    """Changes the choice of a row's next token."""

    wanted: int | None = None
    """The token that is chosen if it is among the likeliest."""
    among: int = 1
    """Number of the likeliest."""
    banned: Tokens = ()
    """Tokens that do not come."""


Steering = Callable[[Sequence[int]], Steer | None]
"""Returns how the next choice is changed, given the tokens after the prompt; None: not at all."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """A prompt to continue."""

    prompt: Tokens
    """Not empty; begins with the token that the model's sequences begin with."""
    sampling: Sampling
    key: str = ""
    """Names the row's draws: rows with equal prompts and other keys are other samples."""
    ends: Tokens = ()
    """Tokens that end the row as the end-of-sequence token does, such as the end of a chat template's message."""
    hook: Hook | None = None
    allowed: Allowed | None = None
    steer: Steering | None = None


@dataclass(frozen=True, kw_only=True)
class Continuation:
    """What came after a prompt."""

    text: str
    tokens: tuple[int, ...]
    """Sampled and inserted ones, without the token that ended the row."""
    stopped: str
    """`eos`, `until`, `length`, `mask`, or a hook's reason."""
    end: int | None = None
    """The token that ended the row; None: none did."""
    inserted: tuple[int, ...] = ()
    """Which of the tokens a hook put there, by their places."""
    logprobs: tuple[Logprobs, ...] = ()
    """Of each sampled token, the one that ended the row included, where the sampling asks for them."""
