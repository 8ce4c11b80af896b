"""Scores tokens after their contexts: log probabilities, and whether each is the likeliest token.

The head is computed at scored tokens alone, a few rows at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from stages.generate.memory import HEAD_ROWS
from stages.generate.passes import Passes
from stages.generate.plan import Tokens, plan_steps, walk
from stages.generate.sampling import log_sums

# Shape suffixes: S = scored tokens, W = wanted tokens, V = vocabulary.

Window = tuple[Sequence[int], Sequence[int]]
"""Tokens given and tokens wanted, neither empty. Together at most seq_len + 1: the last wanted token is no input."""


@dataclass(frozen=True)
class Scored:
    """The wanted tokens of a window."""

    logprob: float
    """Sum of their log probabilities, in nats."""
    is_greedy: bool
    """Whether each is the likeliest token."""


def inputs_of(window: Window) -> Tokens:
    """Return the tokens that the model reads."""
    given, wanted = window
    return (*given, *wanted[:-1])


def score(passes: Passes, windows: Sequence[Window], batch: int) -> list[Scored]:
    """Return the scores of windows, in order. Prefixes that windows share are computed once.

    A step has at most `batch` tokens. The cache has at least `scoring_slots` of stages.generate.memory. Collective:
    every rank of the model returns the same.
    """
    lead = passes.model.lead
    order = sorted(range(len(windows)), key=lambda index: (inputs_of(windows[index]), index))
    firsts = [len(lead) + len(windows[index][0]) - 1 for index in order]
    walked = walk([((*lead, *inputs_of(windows[index])), first) for index, first in zip(order, firsts, strict=True)])
    asked: list[list[tuple[int, int]]] = [[] for _ in walked.tokens]  # (number of a wanted token, its id) by place
    starts = [0]
    for index, places in zip(order, walked.places, strict=True):
        for number, (place, token) in enumerate(zip(places, windows[index][1], strict=True), start=starts[-1]):
            asked[place].append((number, token))
        starts.append(starts[-1] + len(places))
    found_2W = torch.zeros((2, starts[-1]), dtype=torch.float64)
    start = 0
    for planned in plan_steps(walked, batch, passes.model.config.seq_len):
        here = asked[start : start + len(planned.tokens)]
        start += len(planned.tokens)
        scored = [at for at, wanted in enumerate(here) if wanted]
        hidden_SD = passes.advance(planned, scored)
        if hidden_SD is not None:
            for few in (slice(at, at + HEAD_ROWS) for at in range(0, len(scored), HEAD_ROWS)):
                _note(passes.logits(hidden_SD[few]), [here[at] for at in scored[few]], found_2W)
    logprobs, greedy = passes.shared(found_2W).tolist()
    scores: dict[int, Scored] = {}
    for index, first, last in zip(order, starts, starts[1:], strict=False):
        scores[index] = Scored(logprob=sum(logprobs[first:last]), is_greedy=all(greedy[first:last]))
    return [scores[index] for index in range(len(windows))]


def _note(logits_SV: Tensor, wanted: Sequence[Sequence[tuple[int, int]]], found_2W: Tensor) -> None:
    """Write log probability and greediness of the tokens wanted of each row to their numbers."""
    triples = [(row, number, token) for row, pairs in enumerate(wanted) for number, token in pairs]
    rows_W, numbers_W, tokens_W = torch.tensor(triples, device=logits_SV.device).unbind(1)
    sums_S, likeliest_S = log_sums(logits_SV)
    logprobs_W = logits_SV[rows_W, tokens_W].double() - sums_S[rows_W]
    greedy_W = likeliest_S[rows_W] == tokens_W
    numbers_W = numbers_W.to(found_2W.device)
    found_2W[0, numbers_W] = logprobs_W.to(found_2W)
    found_2W[1, numbers_W] = greedy_W.to(found_2W)
