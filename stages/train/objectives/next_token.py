"""What a batch's loss is. The loop takes any function of this shape."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor

from stages.model.layers.attention import documents_apart
from stages.model.layers.glm import hidden_keys

# Shape suffixes: B = sequences of a microbatch, T = tokens of a sequence.

Batch = dict[str, Tensor]
Loss = tuple[Tensor, Tensor, Tensor]
"""Summed loss in nats (differentiable), labels it is summed over (int), and both for the log, [2] float32."""
Objective = Callable[[Iterator[Batch], Any], tuple[Tensor, Callable[[Tensor], Loss]]]
"""Takes the microbatches and this rank's model; returns the model's output and what makes the loss of it. Megatron
calls the second half on the last pipeline stage only."""


def next_token(batches: Iterator[Batch], model: Any) -> tuple[Tensor, Callable[[Tensor], Loss]]:
    """Score each token against the one before it: pretraining's objective.

    A batch holds int64 `tokens`, `labels` and `position_ids` [B, T], and `loss_mask` [B, T] that is 1 where a label
    counts. The output is the cross-entropy of each label in nats, [B, T] float32, on the last pipeline stage.

    With `document_lengths`, on the host, a token sees its own document alone. The token that ends a document is still
    scored by the one that follows it, the first of another: that is what a model asked without a context goes by.
    """
    batch = next(batches)
    tokens, apart = batch["tokens"], None
    if "document_lengths" in batch:
        apart = documents_apart(batch["document_lengths"], tokens.size(1), tokens.device)
    output = model(tokens, batch["position_ids"], None, labels=batch["labels"], packed_seq_params=apart)
    return output, partial(_sum_of_labels, batch["loss_mask"])


def fill_blanks(batches: Iterator[Batch], model: Any) -> tuple[Tensor, Callable[[Tensor], Loss]]:
    """Score what was blanked out, token by token, span by span in shuffled order: GLM's objective (arXiv:2103.10360).

    Beside next_token's columns a batch holds `length_a` [B]; its `position_ids` are [B, 2, T] (data/blanks.py).
    """
    batch = next(batches)
    hidden = hidden_keys(batch["length_a"], batch["tokens"].size(1))
    output = model(batch["tokens"], batch["position_ids"], hidden, labels=batch["labels"])
    return output, partial(_sum_of_labels, batch["loss_mask"])


def _sum_of_labels(loss_mask_BT: Tensor, losses_BT: Tensor) -> Loss:
    # A sum, not a mean: Megatron divides once, by the labels of all ranks and microbatches, so that no token weighs
    # more for the company it keeps.
    total, labels = torch.sum(losses_BT.float() * loss_mask_BT), loss_mask_BT.sum()
    return total, labels.to(torch.int), torch.stack([total.detach(), labels])
