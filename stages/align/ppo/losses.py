"""Losses of the policy and of the value network, and the exact entropy of a choice: pure functions on tensors.

Shape suffixes: B = rows of a microbatch, T = positions of a row, V = this rank's part of the vocabulary, N = positions.
"""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor

from stages.model.layers.chunks import few_rows


def policy_loss(new_BT: Tensor, old_BT: Tensor, advantages_BT: Tensor, clip: float) -> tuple[Tensor, Tensor]:
    """Return PPO's clipped loss of each token (arXiv:1707.06347, equation 7), and whether the clipped side counts.

    There is no second clip of large ratios with negative advantages.
    """
    ratios_BT = torch.exp(new_BT - old_BT)
    plain_BT = -advantages_BT * ratios_BT
    clipped_BT = -advantages_BT * ratios_BT.clamp(1 - clip, 1 + clip)
    return torch.maximum(plain_BT, clipped_BT), clipped_BT > plain_BT


def value_loss(new_BT: Tensor, old_BT: Tensor, returns_BT: Tensor, clip: float | None) -> Tensor:
    """Return half the squared error of each value; with a clip the larger of it and that of the value within `clip` of
    the old one (openai/lm-human-preferences, train_policy.py).
    """
    errors_BT = (new_BT - returns_BT).square()
    if clip is not None:
        near_BT = torch.maximum(torch.minimum(new_BT, old_BT + clip), old_BT - clip)
        errors_BT = torch.maximum(errors_BT, (near_BT - returns_BT).square())
    return 0.5 * errors_BT


def without_padding(logits_BTV: Tensor, used: int, group: dist.ProcessGroup) -> Tensor:
    """Return the logits with those of padded rows so small that they have no probability. Side effect: in place.

    `used` rows of the whole vocabulary stand for tokens. A sampler never chooses the others, so a policy's
    probabilities are without them. Their gradient is 0 in any case.
    """
    first = max(0, used - group.rank() * logits_BTV.size(-1))
    if first < logits_BTV.size(-1):
        logits_BTV.detach()[..., first:].fill_(torch.finfo(logits_BTV.dtype).min)
    return logits_BTV


@torch.no_grad()
def entropy(logits: Tensor, group: dist.ProcessGroup) -> Tensor:
    """Return the exact entropy of the softmax of each position, in nats: log Z - sum p logit, float32 [...].

    `logits` are this rank's part of the vocabulary, [..., V]; `group` are the ranks that split it.
    """
    logits_NV = logits.reshape(-1, logits.size(-1))
    peak_N = logits_NV.amax(1).float()
    if group.size() > 1:
        dist.all_reduce(peak_N, dist.ReduceOp.MAX, group)
    sums_2N = peak_N.new_empty(2, len(peak_N))
    for few in few_rows(logits_NV):
        gaps = logits_NV[few].float() - peak_N[few, None]
        weights = gaps.exp()
        sums_2N[0, few] = weights.sum(1)
        sums_2N[1, few] = (weights * gaps.clamp_min(-1e4)).sum(1)
    if group.size() > 1:
        dist.all_reduce(sums_2N, dist.ReduceOp.SUM, group)
    found_N = sums_2N[0].log() - sums_2N[1] / sums_2N[0]
    return found_N.view(logits.shape[:-1])
