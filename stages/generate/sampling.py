"""Choice of the next token. A draw is a function of the seed, the row's key and the position, and of nothing else.

Shape suffixes: R = rows, V = vocabulary, N = best tokens.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """Choice of the next token, and conditions to stop."""

    max_tokens: int
    temperature: float = 0.0
    """0: greedy."""
    top_k: int = 0
    """Number of likeliest tokens to sample from; 0: all."""
    top_p: float = 1.0
    """Probability of the tokens to sample from: the fewest that hold this much."""
    seed: int = 0
    until: tuple[str, ...] = ()
    """Texts that end a continuation and are not part of it."""
    ignore_eos: bool = False
    """Whether the end-of-sequence token is a token like others."""
    logprobs: int | None = None
    """Likeliest tokens whose log probabilities are returned beside the chosen one's; None: no log probabilities."""


def uniform(seed: int, key: str, position: int) -> float:
    """Return the draw of a row at a position: a number in [0, 1)."""
    digest = hashlib.sha256(f"{seed}/{position}/{key}".encode()).digest()
    return (int.from_bytes(digest[:8], "big") >> 11) / (1 << 53)


def choose(logits_RV: Tensor, samplings: Sequence[Sampling], draws: Sequence[float]) -> Tensor:
    """Return the next token of each row, int64 [R]: the likeliest at temperature 0, else the one in whose interval the
    draw falls. The intervals lie in the order of the vocabulary, so equal logits give equal tokens in any batch.
    """
    sampled = [row for row, sampling in enumerate(samplings) if sampling.temperature > 0.0]
    if len(sampled) == len(samplings):
        return _drawn(logits_RV, samplings, draws)
    tokens_R = logits_RV.argmax(-1)
    if sampled:
        rows = torch.tensor(sampled, device=logits_RV.device)
        chosen = [samplings[row] for row in sampled]
        tokens_R[rows] = _drawn(logits_RV[rows], chosen, [draws[row] for row in sampled])
    return tokens_R


def _drawn(logits_RV: Tensor, samplings: Sequence[Sampling], draws: Sequence[float]) -> Tensor:
    given_2R = torch.tensor([[each.temperature for each in samplings], draws], dtype=torch.float64)
    heat_R, draws_R = given_2R.to(logits_RV.device)
    probs_RV = torch.softmax(logits_RV / heat_R[:, None], dim=-1)  # in float64, as the temperatures
    _cut(probs_RV, samplings)
    sums_RV = probs_RV.cumsum(-1)
    whole_R = sums_RV[:, -1]
    # A draw next to 1 may round to the whole sum, behind the last token that has a probability.
    inside_R = torch.minimum(draws_R * whole_R, whole_R.nextafter(torch.zeros_like(whole_R)))
    found_R = torch.searchsorted(sums_RV, inside_R[:, None], right=True)[:, 0]
    return found_R.clamp_(max=sums_RV.size(1) - 1)  # a sum that is no number is behind all


def _cut(probs_RV: Tensor, samplings: Sequence[Sampling]) -> None:
    """Set the probability of tokens outside top_k and top_p to 0. Of equal ones the first in the vocabulary stay."""
    rows = [row for row, sampling in enumerate(samplings) if sampling.top_k or sampling.top_p < 1.0]
    if not rows:
        return
    ordered_RV, order_RV = probs_RV[rows].sort(descending=True, stable=True)
    size = ordered_RV.size(1)
    most_R1 = torch.tensor([[samplings[row].top_k or size] for row in rows], device=probs_RV.device)
    share_R1 = torch.tensor([[samplings[row].top_p] for row in rows], dtype=torch.float64, device=probs_RV.device)
    before_RV = ordered_RV.cumsum(-1) - ordered_RV  # what the likelier tokens hold
    kept_RV = (before_RV < share_R1) | (torch.arange(size, device=probs_RV.device) == 0)
    kept_RV &= torch.arange(size, device=probs_RV.device) < most_R1
    probs_RV[rows] = torch.zeros_like(ordered_RV).scatter_(1, order_RV, ordered_RV * kept_RV)


@dataclass(frozen=True)
class Logprobs:
    """Log probabilities of one token's choice, in nats, before temperature, top_k, top_p and any mask."""

    chosen: float
    best: tuple[tuple[int, float], ...] = ()
    """The likeliest tokens, the likeliest first."""


def log_sums(logits_RV: Tensor) -> tuple[Tensor, Tensor]:
    """Return log(sum(exp(logits))) of each row, float64 [R], and its likeliest token, [R].

    In float32 a log probability of 5 nats would be rounded by 2e-7, and one of 9 nats by twice as much.
    """
    top_R1, ids_R1 = logits_RV.max(-1, keepdim=True)
    sums_R = (logits_RV - top_R1).exp_().sum(-1)
    return top_R1[:, 0].double() + sums_R.double().log(), ids_R1[:, 0]


def logprobs_of(logits_RV: Tensor, tokens_R: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return the log probabilities of the chosen tokens [R], and the likeliest `count` tokens and theirs, [R, N]."""
    sums_R, _ = log_sums(logits_RV)
    chosen_R = logits_RV.gather(1, tokens_R[:, None])[:, 0].double() - sums_R
    best_RN, ids_RN = logits_RV.topk(count, dim=-1)
    return chosen_R, ids_RN, best_RN.double() - sums_R[:, None]
