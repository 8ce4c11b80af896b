"""Annotates texts with calls of one tool: sample, execute, filter, interleave (arXiv:2302.04761, section 2).

Every call that was sampled is a candidate with its numbers and the reason why it was kept or not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from math import exp
from typing import Protocol

from stages.formats.calls.inline import InlineCall, find_calls, insert_call, write_call
from stages.formats.chat.rejects import Reject
from stages.tools.toolformer.filtering import REACH, Losses, positions, weighted_loss

Tokens = tuple[int, ...]
Window = tuple[Tokens, Tokens]
"""Tokens given and tokens wanted."""
Execute = Callable[[str, str, int], str]
"""Returns a tool's result for an input, in a document of a name, at a character of it. Raises Reject for an input that
it cannot take."""
KEPT = "kept"


class Model(Protocol):
    """The model that samples calls and scores texts."""

    first: Tokens
    """Tokens that a sequence begins with."""
    start: Tokens
    """Tokens of ` [` within a text."""
    max_tokens: int
    """Longest sequence."""

    def encode(self, text: str) -> Tokens:
        """Return the tokens of a text."""

    def decode(self, tokens: Tokens) -> str:
        """Return the text of tokens."""

    def score(self, windows: Sequence[Window]) -> list[float]:
        """Return the log probability of the wanted tokens of each window, in nats."""

    def sample(self, prompts: Sequence[tuple[Tokens, str]]) -> list[str]:
        """Return what follows each prompt up to the end of its call; the second item names the draws."""


@dataclass(frozen=True, kw_only=True)
class Tool:
    """A tool and the numbers by which its calls are sampled and kept. The paper's defaults."""

    name: str
    """As calls have it, such as Calculator."""
    execute: Execute
    prompt: Callable[[str], str]
    """Returns the prompt for a text: demonstrations, then the text; the model writes it again with calls."""
    tau_s: float = 0.05
    """Least probability of a call's first token, exclusive."""
    tau_f: float = 1.0
    """Least gain, inclusive, in nats."""
    top_k: int = 5
    """Most positions of a text."""
    samples: int = 5
    """Calls at each position."""
    at_once: int = 1
    """Calls that run at once: more than one for a tool that waits for another machine."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A call that was sampled."""

    document: str
    place: int
    """Character of the text before which the call stands."""
    probability: float
    """Of a call at this place."""
    written: str
    """What the model wrote after ` [`."""
    reason: str
    """`kept`, `no_end`, `other_tool`, `failed`, `no_gain`, or `not_best`: a better or equal one stands there."""
    input: str = ""
    result: str = ""
    """Of a call that failed the reason."""
    losses: Losses | None = None
    gain: float | None = None


@dataclass(frozen=True)
class Annotated:
    """A text after annotation."""

    document: str
    text: str
    """With the calls that were kept, each with its result."""
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True)
class _Text:
    """A text to annotate."""

    name: str
    text: str
    tokens: Tokens
    prompt: Tokens
    places: Sequence[tuple[int, int]]
    """Tokens and characters before each place at which a call may stand."""


@dataclass(frozen=True)
class _Spot:
    """A place in a text at which calls are sampled."""

    document: str
    tokens: Tokens
    """Of the whole text."""
    at: int
    """Tokens before the place."""
    place: int
    probability: float
    asked: Tokens
    """The prompt, and the text before the place."""


class Annotator:
    """Annotates texts with the calls of one tool."""

    def __init__(self, model: Model, tool: Tool) -> None:
        self._model, self._tool = model, tool

    def annotate(self, texts: Sequence[tuple[str, str]]) -> list[Annotated | Reject]:
        """Return each text, given as (name, text), with its calls; Reject(`too_long`) for one that does not fit.

        A text's draws are named by the text. The texts are one batch of the model: numbers depend on it in the last
        bits.
        """
        read = [self._read(name, text) for name, text in texts]
        spots = self._spots([each for each in read if isinstance(each, _Text)])
        candidates: dict[str, list[Candidate]] = {}
        for each in self._candidates(spots):
            candidates.setdefault(each.document, []).append(each)
        return [
            each if isinstance(each, Reject) else self._joined(each.name, each.text, candidates.get(each.name, ()))
            for each in read
        ]

    def _read(self, name: str, text: str) -> _Text | Reject:
        model = self._model
        tokens = model.encode(text)
        prompt = (*model.first, *model.encode(self._tool.prompt(text)))
        if len(prompt) + len(tokens) + len(model.start) > model.max_tokens:
            return Reject("too_long", f"{name}: {len(prompt) + len(tokens)} tokens")
        places = [
            (at, len(before)) for at in range(len(tokens)) if text.startswith(before := model.decode(tokens[:at]))
        ]
        return _Text(name, text, tokens, prompt, places)

    def _spots(self, texts: Sequence[_Text]) -> list[_Spot]:
        """Return the places of the texts at which a call is likeliest, in order."""
        windows = [((*each.prompt, *each.tokens[:at]), self._model.start) for each in texts for at, _ in each.places]
        logprobs = iter(self._model.score(windows))
        found = []
        for each in texts:
            chances = [exp(next(logprobs)) for _ in each.places]
            for number in positions(chances, self._tool.tau_s, self._tool.top_k):
                at, place = each.places[number]
                asked = (*each.prompt, *each.tokens[:at])
                found.append(_Spot(each.name, each.tokens, at, place, chances[number], asked))
        return found

    def _candidates(self, spots: Sequence[_Spot]) -> list[Candidate]:
        """Return the calls of all spots, in order: executed, and scored where there is a result."""
        drawn = [(spot, number) for spot in spots for number in range(self._tool.samples)]
        written = self._model.sample(
            [
                ((*spot.asked, *self._model.start), f"{spot.document}/{self._tool.name}/{spot.at}/{number}")
                for spot, number in drawn
            ]
        )
        with ThreadPoolExecutor(self._tool.at_once) as pool:
            found = list(pool.map(self._executed, [spot for spot, _ in drawn], written))
        windows = [self._windows(spot, each) for (spot, _), each in zip(drawn, found, strict=True)]
        logprobs = iter(self._model.score([window for group in windows for window in group]))
        return [self._judged(each, [next(logprobs) for _ in group]) for each, group in zip(found, windows, strict=True)]

    def _executed(self, spot: _Spot, written: str) -> Candidate:
        """Return the candidate of a call with its result, or the reason why it has none."""
        base = Candidate(
            document=spot.document, place=spot.place, probability=spot.probability, written=written, reason="no_end"
        )
        call = next(find_calls(f"[{written}"), None)
        if not isinstance(call, InlineCall) or call.start != 0:
            return base
        if call.tool != self._tool.name:
            return replace(base, reason="other_tool", input=call.input)
        try:
            return replace(
                base, reason="", input=call.input, result=self._tool.execute(call.input, spot.document, spot.place)
            )
        except Reject as reject:
            return replace(base, reason="failed", input=call.input, result=f"{reject.reason}: {reject.detail}")

    def _windows(self, spot: _Spot, candidate: Candidate) -> list[Window]:
        """Return the next tokens three times: without a call, with it, and with its result; none without a result.

        The call stands before the text, not within it.
        """
        if candidate.reason:
            return []
        call = (self._tool.name, candidate.input)
        prefixes = ["", f"{write_call(*call)} ", f"{write_call(*call, candidate.result)} "]
        reach = range(spot.at, min(spot.at + REACH, len(spot.tokens)))
        return [
            ((*self._model.first, *self._model.encode(prefix), *spot.tokens[:at]), (spot.tokens[at],))
            for prefix in prefixes
            for at in reach
        ]

    def _judged(self, candidate: Candidate, logprobs: Sequence[float]) -> Candidate:
        """Return a candidate with its losses, given the log probabilities of its windows."""
        if candidate.reason:
            return candidate
        size = len(logprobs) // 3
        plain, bare, full = (weighted_loss(logprobs[start : start + size]) for start in (0, size, 2 * size))
        losses = Losses(plain=plain, bare=bare, full=full)
        reason = KEPT if losses.gain >= self._tool.tau_f else "no_gain"
        return replace(candidate, reason=reason, losses=losses, gain=losses.gain)

    def _joined(self, name: str, text: str, candidates: Sequence[Candidate]) -> Annotated:
        """Return the text with the best call of each place that was kept, the first of equal ones."""
        best: dict[int, int] = {}
        for number, each in enumerate(candidates):
            if each.reason == KEPT and _gain(candidates, number) > _gain(candidates, best.get(each.place)):
                best[each.place] = number
        chosen = set(best.values())
        judged = tuple(
            each if each.reason != KEPT or number in chosen else replace(each, reason="not_best")
            for number, each in enumerate(candidates)
        )
        for number in sorted(chosen, key=lambda number: -candidates[number].place):
            call = candidates[number]
            text = insert_call(text, call.place, write_call(self._tool.name, call.input, call.result))
        return Annotated(name, text, judged)


def _gain(candidates: Sequence[Candidate], number: int | None) -> float:
    return float("-inf") if number is None else candidates[number].gain or 0.0
