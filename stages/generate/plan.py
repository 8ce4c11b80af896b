"""Plans the steps in which sequences are computed: shared prefixes once, equal sequences once. Pure.

Sequences in lexicographic order are a depth-first walk through the tree of their prefixes. Each adds the tokens behind
what it shares with the one before it, so the walk's tokens are the distinct prefixes', each once. The walk is cut into
steps of equal size. Slots of the cache:

    [0, room)                the path: the token at depth d of the sequence at which the last step ended is in slot d
    [room, room + batch)     the tokens of the present step; those on the path are then copied to it
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from stages.model.layers.visits import Seen, Visit

Tokens = tuple[int, ...]


class Visits:
    """Gathers what new tokens see; joins what neighbours see alike."""

    def __init__(self) -> None:
        self.own: list[Visit] = []
        self.shared: list[Visit] = []
        self._open: dict[tuple[int, int], int] = {}

    def seen(self) -> Seen:
        """Return what was added."""
        return Seen(tuple(self.own), tuple(self.shared))

    def add_causal(self, first: int, last: int, start: int) -> None:
        """Have new tokens see themselves, each up to itself; the first one's slot is `start`."""
        self.own.append(Visit(first, last, start, start + last - first, is_causal=True))

    def add_single(self, at: int, start: int, stop: int) -> None:
        """Have a new token see slots up to its own, which is the last."""
        self.own.append(Visit(at, at + 1, start, stop))

    def add_shared(self, first: int, last: int, start: int, stop: int) -> None:
        """Have new tokens see all of some other slots. Calls come in order of `first`."""
        at = self._open.get((start, stop))
        if at is not None and self.shared[at].last == first:
            self.shared[at] = Visit(self.shared[at].first, last, start, stop)
        elif start < stop:
            self._open[start, stop] = len(self.shared)
            self.shared.append(Visit(first, last, start, stop))


@dataclass(frozen=True)
class PlannedStep:
    """Tokens of a step, and what each of them sees."""

    tokens: list[int] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    slots: list[int] = field(default_factory=list)
    visits: Visits = field(default_factory=Visits)
    copies: tuple[tuple[int, int, int], ...] = ()
    """Slots to copy after the step: (start, to, count)."""


def seen_by(seen: Seen, scored: Sequence[int]) -> Seen:
    """Return what some of the new tokens see, in ascending order, as tokens of their own numbering."""
    own: list[Visit] = []
    shared: list[Visit] = []
    for visit in seen.own:
        first, last = bisect_left(scored, visit.first), bisect_left(scored, visit.last)
        if not visit.is_causal:
            own.extend([Visit(first, last, visit.start, visit.stop)] if first < last else [])
            continue
        for begin, end in _pieces(scored[first:last]):
            start = visit.start + scored[first + begin] - visit.first
            if end - begin == 1:  # sees itself among those before it
                own.append(Visit(first + begin, first + end, visit.start, start + 1))
                continue
            own.append(Visit(first + begin, first + end, start, start + end - begin, is_causal=True))
            shared.extend([Visit(first + begin, first + end, visit.start, start)] if visit.start < start else [])
    for visit in seen.shared:
        first, last = bisect_left(scored, visit.first), bisect_left(scored, visit.last)
        shared.extend([Visit(first, last, visit.start, visit.stop)] if first < last else [])
    return Seen(tuple(own), tuple(shared))


@dataclass
class Walk:
    """A walk through the tree of prefixes."""

    tokens: list[int]
    depths: list[int]
    places: list[list[int]]
    """Where in the walk each sequence's tokens are, from its first wanted one on."""


def walk(sequences: Sequence[tuple[Tokens, int]]) -> Walk:
    """Return the walk through sequences in lexicographic order, each with the depth from which it wants places."""
    found = Walk([], [], [])
    path: list[int] = []
    before: Tokens = ()
    for tokens, first in sequences:
        shared = common(before, tokens)
        del path[shared:]
        path.extend(range(len(found.tokens), len(found.tokens) + len(tokens) - shared))
        found.tokens.extend(tokens[shared:])
        found.depths.extend(range(shared, len(tokens)))
        found.places.append(path[first:])
        before = tokens
    return found


def common(one: Tokens, other: Tokens) -> int:
    """Return the length of the longest common prefix."""
    limit = min(len(one), len(other))
    if one[:limit] == other[:limit]:
        return limit
    return bisect_left(range(limit), True, key=lambda at: one[: at + 1] != other[: at + 1])


def plan_steps(walked: Walk, batch: int, room: int) -> Iterator[PlannedStep]:
    """Yield the steps of at most `batch` tokens, in order. No sequence is longer than `room`."""
    for start in range(0, len(walked.tokens), batch):
        stop = min(start + batch, len(walked.tokens))
        depths = walked.depths[start:stop]
        next_depth = walked.depths[stop] if stop < len(walked.tokens) else 0
        visits, runs = Visits(), _Runs()
        known = depths[0]
        for first, last in _pieces(depths):
            known = min(known, depths[first])
            runs.cut(depths[first])
            visits.add_shared(first, last, 0, known)
            for _, begin, count in runs.all:
                visits.add_shared(first, last, room + begin, room + begin + count)
            visits.add_causal(first, last, room + first)
            runs.all.append((depths[first], first, last - first))
        runs.cut(next_depth)
        yield PlannedStep(
            tokens=walked.tokens[start:stop],
            positions=depths,
            slots=[*range(room, room + stop - start)],
            visits=visits,
            copies=tuple((room + begin, depth, count) for depth, begin, count in runs.all),
        )


def _pieces(depths: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield (first, last) of the runs in which each number follows the one before it."""
    borders = [0, *(at for at in range(1, len(depths)) if depths[at] != depths[at - 1] + 1), len(depths)]
    yield from pairwise(borders if depths else [])


class _Runs:
    """Parts of the present path that are new in a step: (depth, first new token, count), deeper ones later."""

    def __init__(self) -> None:
        self.all: list[tuple[int, int, int]] = []

    def cut(self, depth: int) -> None:
        """Leave the path below `depth` behind."""
        while self.all and self.all[-1][0] >= depth:
            self.all.pop()
        if self.all:
            at, first, count = self.all[-1]
            self.all[-1] = (at, first, min(count, depth - at))


def plan_groups(sequences: Sequence[Tokens], limit: int) -> list[list[int]]:
    """Return the indices of the sequences in lexicographic order, in groups that can be computed apart.

    A group is full when its distinct prefixes have `limit` tokens or more. The groups depend on the sequences alone.
    """
    groups: list[list[int]] = []
    before: Tokens = ()
    size = limit
    for index in sorted(range(len(sequences)), key=lambda i: (sequences[i], i)):
        if size >= limit:
            groups.append([])
            before, size = (), 0
        size += len(sequences[index]) - common(before, sequences[index])
        before = sequences[index]
        groups[-1].append(index)
    return groups
