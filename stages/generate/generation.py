"""Continues prompts in continuous batches: rows join and leave at every step.

With pipeline stages the rows are divided into as many groups. A group's next step starts while the other groups' are in
later stages. Every rank has the same rows; the last stage chooses the tokens and posts them to the others.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from stages.generate.memory import BLOCK_SLOTS
from stages.generate.passes import Passes
from stages.generate.prefixes import PromptTree
from stages.generate.requests import Continuation, Request
from stages.generate.rows import Row, plan_rows
from stages.generate.sampling import Logprobs, choose, logprobs_of
from stages.generate.slots import Slots
from stages.generate.text import Codec, RowText

# Shape suffixes: R = rows, V = vocabulary, C = 2 + 2 x likeliest tokens: columns of what is known of a choice.


@dataclass
class _Group:
    """Rows that take their steps together."""

    rows: list[Row] = field(default_factory=list)
    flying: list[Row] = field(default_factory=list)
    """Rows of the step that was started and not yet finished."""
    choices: Tensor | None = None
    """Of that step, on the last stage, [R, C]."""


class Generator:
    """Answers requests, many at a time. Collective: every rank of the model makes the same calls."""

    def __init__(self, passes: Passes, codec: Codec, *, max_rows: int, batch: int) -> None:
        """Take up to `max_rows` requests at a time, as far as the cache has room; a step has about `batch` tokens."""
        self._passes, self._codec, self._batch = passes, codec, batch
        self._tree = PromptTree(Slots(passes.cache.slots, BLOCK_SLOTS))
        self._waiting: deque[tuple[int, Request]] = deque()
        self._groups = [_Group() for _ in range(passes.num_stages)]
        self._rows_a_group = max(1, max_rows // passes.num_stages)
        self._turn = 0
        self._submitted = 0

    def submit(self, request: Request) -> int:
        """Queue a request; return its number.

        Raises ValueError for a prompt that leaves no room, in the model or in the cache, for a token more, and for more
        log probabilities than tokens.
        """
        room = self._passes.model.seq_len
        if not 0 < len(request.prompt) <= room:
            raise ValueError(f"a prompt of {len(request.prompt)} tokens: the model takes 1 to {room}")
        wanted = self._limit(request) + self._shared_tokens(request)
        if wanted > self._passes.cache.slots:
            raise ValueError(f"a request of {wanted} tokens: the cache has {self._passes.cache.slots} slots")
        if (request.sampling.logprobs or 0) > self._passes.model.num_outputs:
            raise ValueError(f"{request.sampling.logprobs} log probabilities: {self._passes.model.num_outputs} at most")
        self._submitted += 1
        self._waiting.append((self._submitted - 1, request))
        return self._submitted - 1

    @property
    def is_idle(self) -> bool:
        """Whether every request is answered."""
        return not self._waiting and not any(group.rows for group in self._groups)

    def generate(self, requests: Iterable[Request]) -> list[Continuation]:
        """Return the continuation of each request, in order."""
        numbers = [self.submit(request) for request in requests]
        found: dict[int, Continuation] = {}
        while not self.is_idle:
            found.update(self.step())
        return [found[number] for number in numbers]

    def step(self) -> list[tuple[int, Continuation]]:
        """Finish a group's step and start its next one; return the requests that are now answered, by number."""
        group = self._groups[self._turn]
        self._turn = (self._turn + 1) % len(self._groups)
        self._finish(group)
        self._admit(group)
        for row in group.rows:
            row.ask_mask()
        done = [(row.number, row.answer()) for row in group.rows if row.stopped]
        for row in (row for row in group.rows if row.stopped):
            self._tree.leave(row.node, row.slot, row.limit)
        group.rows = [row for row in group.rows if not row.stopped]
        if group.rows:
            self._start(group)
            if len(self._groups) == 1:
                self._finish(group)
        if self.is_idle:
            self._passes.wait_for_sent()
        return done

    def _limit(self, request: Request) -> int:
        """Return the most tokens that follow a prompt; as many slots are the row's own, for the last one needs none."""
        return min(request.sampling.max_tokens, self._passes.model.seq_len - len(request.prompt) + 1)

    def _shared_tokens(self, request: Request) -> int:
        return len(self._passes.model.lead) + len(request.prompt) - 1

    def _admit(self, group: _Group) -> None:
        """Let waiting requests join, in their order."""
        while self._waiting and len(group.rows) < self._rows_a_group:
            number, request = self._waiting[0]
            tokens = (*self._passes.model.lead, *request.prompt)
            limit = self._limit(request)
            place = self._tree.take(tokens[:-1], limit)
            if place is None:
                return
            self._waiting.popleft()
            text = RowText(self._codec, request.prompt, request.sampling.until)
            row = Row(request, number, *place, len(tokens) - 1, limit, text, [tokens[-1]])
            row.stopped = "" if limit > 0 else "length"
            group.rows.append(row)

    def _start(self, group: _Group) -> None:
        step, group.flying, scored = plan_rows(group.rows, self._batch)
        hidden = self._passes.advance(step, scored)
        if hidden is None or not group.flying:
            return
        group.choices = self._choices(group.flying, self._passes.logits(hidden))
        if len(self._groups) > 1:
            self._passes.post(group.choices)

    def _finish(self, group: _Group) -> None:
        """Give the rows of a started step their tokens."""
        if not group.flying:
            return
        choices = group.choices
        if choices is None:
            choices = self._passes.collect((len(group.flying), _columns(group.flying)))
        for row, known in zip(group.flying, choices.tolist(), strict=True):
            row.add(int(known[0]), self._codec, _read_logprobs(row, known))
        group.flying, group.choices = [], None

    def _choices(self, rows: Sequence[Row], logits_RV: Tensor) -> Tensor:
        """Return what is known of each row's next token: see `_columns`."""
        columns = _columns(rows)
        masked_RV = _masked(rows, logits_RV)
        tokens_R = choose(masked_RV, [row.request.sampling for row in rows], [row.draw for row in rows])
        _take_wanted(rows, masked_RV, tokens_R)
        known = [tokens_R[:, None]]
        if columns > 1:
            chosen_R, ids_RN, best_RN = logprobs_of(logits_RV, tokens_R, (columns - 2) // 2)
            known += [chosen_R[:, None], ids_RN, best_RN]
        return self._passes.alike(torch.cat(known, dim=1).double()).cpu()


def _masked(rows: Sequence[Row], logits_RV: Tensor) -> Tensor:
    if all(row.allowed is None and not (row.steer and row.steer.banned) for row in rows):
        return logits_RV
    masked_RV = logits_RV.clone()
    for row, logits_V in zip(rows, masked_RV, strict=True):
        if row.allowed is not None:
            kept = torch.tensor(row.allowed, device=logits_V.device)
            values = logits_V[kept]
            logits_V.fill_(-torch.inf)[kept] = values
        if row.steer and row.steer.banned:
            logits_V[torch.tensor(row.steer.banned, device=logits_V.device)] = -torch.inf
    return masked_RV


def _take_wanted(rows: Sequence[Row], logits_RV: Tensor, tokens_R: Tensor) -> None:
    """Put the token that a row wants in the place of its choice if fewer than `among` tokens are likelier."""
    for row, logits_V, token in zip(rows, logits_RV, tokens_R, strict=True):
        if row.steer and row.steer.wanted is not None:
            wanted = logits_V[row.steer.wanted]
            if (logits_V > wanted).sum() < row.steer.among and wanted > -torch.inf:
                token.fill_(row.steer.wanted)


def _columns(rows: Sequence[Row]) -> int:
    """Return the numbers known of a choice: the token; with log probabilities the token's, and the likeliest ones."""
    wanted = [count for row in rows if (count := row.request.sampling.logprobs) is not None]
    return 2 + 2 * max(wanted) if wanted else 1


def _read_logprobs(row: Row, known: Sequence[float]) -> Logprobs | None:
    count = row.request.sampling.logprobs
    if count is None:
        return None
    most = (len(known) - 2) // 2
    return Logprobs(known[1], tuple(_pairs(known[2 : 2 + count], known[2 + most : 2 + most + count])))


def _pairs(ids: Sequence[float], logprobs: Sequence[float]) -> Iterator[tuple[int, float]]:
    return ((int(token), logprob) for token, logprob in zip(ids, logprobs, strict=True))
