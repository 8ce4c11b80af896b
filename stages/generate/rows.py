"""Rows that are being continued: their slots, the tokens to compute next, and the text so far."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from stages.generate.plan import PlannedStep
from stages.generate.prefixes import Node, path_of
from stages.generate.requests import Continuation, Growth, Insert, Request, Steer, Stop
from stages.generate.sampling import Logprobs, uniform
from stages.generate.text import Codec, RowText


@dataclass(eq=False)
class Row:
    """A request in the cache. All of its prompt but the last token may be shared; what follows is the row's own."""

    request: Request
    number: int
    node: Node
    """Where the shared part of the prompt ends."""
    slot: int
    """First of its own."""
    depth: int
    """Position of its first own token."""
    limit: int
    """Tokens that may follow the prompt."""
    text: RowText
    pending: list[int]
    """Tokens whose keys come next."""
    computed: int = 0
    """Its own tokens whose keys are in the cache."""
    tokens: list[int] = field(default_factory=list)
    inserted: list[int] = field(default_factory=list)
    logprobs: list[Logprobs] = field(default_factory=list)
    allowed: Sequence[int] | None = None
    """Tokens that may come next; None: all."""
    steer: Steer | None = None
    """Change of the next choice."""
    stopped: str = ""
    end: int | None = None
    """The token that ended it."""

    @property
    def draw(self) -> float:
        """The number that decides the next token."""
        return uniform(self.request.sampling.seed, self.request.key, len(self.tokens))

    def add(self, token: int, codec: Codec, logprobs: Logprobs | None) -> None:
        """Take the sampled token, and what the hook then says."""
        if logprobs is not None:
            self.logprobs.append(logprobs)
        if not self.request.sampling.ignore_eos and token in (codec.eos_id, *self.request.ends):
            self.stopped, self.end = "eos", token
            return
        self._put([token])
        if self.request.hook and not self.stopped:
            self._obey(self.request.hook(Growth(self.tokens, self.text.text)))
        if not self.stopped and len(self.tokens) >= self.limit:
            self.stopped = "length"

    def _obey(self, answer: Stop | Insert | None) -> None:
        if isinstance(answer, Stop):
            self.stopped = answer.reason
        elif isinstance(answer, Insert):
            room = self.limit - len(self.tokens)
            self.inserted.extend(range(len(self.tokens), len(self.tokens) + min(room, len(answer.tokens))))
            self._put(answer.tokens[:room])

    def _put(self, tokens: Sequence[int]) -> None:
        for token in tokens:
            self.tokens.append(token)
            self.pending.append(token)
            self.text.add(token)
            if self.text.is_stopped:
                self.stopped = "until"
                return

    def ask_mask(self) -> None:
        """Find out which tokens may come next, and how their choice is changed."""
        if self.request.allowed:
            self.allowed = self.request.allowed(self.tokens)
            if self.allowed is not None and not self.allowed:
                self.stopped = "mask"
        self.steer = self.request.steer(self.tokens) if self.request.steer else None

    def answer(self) -> Continuation:
        """Return what came after the prompt."""
        text = self.text.finish()
        return Continuation(
            text=text,
            tokens=tuple(self.tokens),
            stopped="until" if self.text.is_stopped else self.stopped,
            end=self.end,
            inserted=tuple(self.inserted),
            logprobs=tuple(self.logprobs),
        )


def plan_rows(rows: Sequence[Row], budget: int) -> tuple[PlannedStep, list[Row], list[int]]:
    """Return the next step, the rows that go on in it, and the new token of each that is scored.

    Prompts that are not yet in the cache come first, up to `budget` tokens together with the rows that go on; a row
    whose prompt is not done waits. Side effect: their tokens count as computed.
    """
    step = PlannedStep()
    ready: list[Row] = []
    ordered = sorted(rows, key=lambda row: ([node.serial for node in path_of(row.node)], row.number))
    budget -= sum(len(row.pending) for row in ordered if row.node.is_computed)
    for row in ordered:
        for node in path_of(row.node):
            budget -= _plan_prompt(node, max(0, budget), step)
        if row.node.is_computed:
            ready.append(row)
    scored = [_plan_row(row, step) for row in ready]
    return step, ready, scored


def _plan_prompt(node: Node, budget: int, step: PlannedStep) -> int:
    """Plan the next tokens of a node, at most `budget`, if all before it are there; return how many."""
    count = min(budget, len(node.tokens) - node.computed)
    if count <= 0 or (node.parent is not None and not node.parent.is_computed):
        return 0
    done, first = node.computed, len(step.tokens)
    _extend(step, node.tokens[done : done + count], node.depth + done, node.slot + done)
    step.visits.add_causal(first, first + count, node.slot + done)
    for start, stop in _joined([*_ranges(node.parent), (node.slot, node.slot + done)]):
        step.visits.add_shared(first, first + count, start, stop)
    node.computed += count
    return count


def _plan_row(row: Row, step: PlannedStep) -> int:
    """Plan a row's pending tokens; return the place of the last of them in the step."""
    first, count, slot = len(step.tokens), len(row.pending), row.slot + row.computed
    _extend(step, row.pending, row.depth + row.computed, slot)
    if count > 1:
        step.visits.add_causal(first, first + count, slot)
        ranges = [*_joined([*_ranges(row.node), (row.slot, slot)])]
    else:
        *ranges, own = _joined([*_ranges(row.node), (row.slot, slot + 1)])
        step.visits.add_single(first, *own)
    for start, stop in ranges:
        step.visits.add_shared(first, first + count, start, stop)
    row.computed += count
    row.pending.clear()
    return first + count - 1


def _extend(step: PlannedStep, tokens: Sequence[int], depth: int, slot: int) -> None:
    step.tokens.extend(tokens)
    step.positions.extend(range(depth, depth + len(tokens)))
    step.slots.extend(range(slot, slot + len(tokens)))


def _ranges(node: Node | None) -> list[tuple[int, int]]:
    return [(above.slot, above.slot + len(above.tokens)) for above in path_of(node)] if node else []


def _joined(ranges: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield the ranges; those that follow each other as one."""
    start, stop = ranges[0]
    for begin, end in ranges[1:]:
        if begin != stop:
            yield start, stop
            start = begin
        stop = end
    yield start, stop
