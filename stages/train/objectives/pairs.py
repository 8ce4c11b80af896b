"""Pairs of compared responses in packed rows: the columns that objectives over them share, and their loss.

All responses of a prompt are in one row, each with its prompt as an example of its own, and examples do not see each
other: a response is computed once and takes part in all pairs of its prompt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from stages.model.layers.attention import documents_apart
from stages.train.objectives.base import Batch, Column, LossOutputs, Model
from stages.train.objectives.next_token import label_columns

# Shape suffixes: B = rows of a microbatch, T = tokens of a row, N = examples of all rows, padding included,
# P = pairs of all rows.

METRICS = ("accuracy", "margin")


def pair_columns(seq_len: int) -> dict[str, Column]:
    """Return the columns: those of packed chats, the pairs of each row with their weights, and the row's source."""
    free = Column(None)
    pairs = {"document_lengths": free, "pairs": free, "pair_weights": free, "num_pairs": free, "source": Column()}
    return label_columns(seq_len) | pairs


def metric_names(sources: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the metrics of pairs; of several sources each has an accuracy of its own."""
    return (*METRICS, *(f"accuracy/{source}" for source in sources if len(sources) > 1))


def run_apart(model: Model, batch: Batch) -> Tensor:
    """Return the model's output for rows whose examples do not see each other."""
    tokens, positions = batch["tokens"], batch["position_ids"]
    apart = documents_apart(batch["document_lengths"], tokens.size(1), tokens.device, positions)
    return model(tokens, positions, documents=apart)


def ends_of(batch: Batch) -> Tensor:
    """Return the place of each example's last token among all tokens of a microbatch, [N], on the host."""
    return batch["document_lengths"].cumsum(0) - 1


def sums_of(batch: Batch, values_BT: Tensor) -> Tensor:
    """Return the sum of the values of each example's tokens, [N]."""
    lengths_N = batch["document_lengths"].to(values_BT.device)
    example_BT = torch.arange(len(lengths_N), device=values_BT.device).repeat_interleave(lengths_N)
    return values_BT.new_zeros(len(lengths_N)).index_add(0, example_BT, values_BT.flatten())


@dataclass(frozen=True)
class Pairs:
    """The pairs of a microbatch, each tensor [P]."""

    better: Tensor
    """Number of the better example among all examples of the microbatch."""
    worse: Tensor
    weights: Tensor
    """One over the pairs of the same prompt."""
    source: Tensor

    @classmethod
    def of(cls, batch: Batch) -> Pairs:
        """Return the pairs of a batch of `pair_columns`."""
        rows, length = batch["tokens"].shape
        row_N = ends_of(batch) // length
        before_B = torch.searchsorted(row_N, torch.arange(rows))
        row_P = torch.arange(rows).repeat_interleave(batch["num_pairs"])
        places_P2 = (batch["pairs"] + before_B[row_P, None]).to(batch["tokens"].device)
        source_P = batch["source"][row_P.to(batch["source"].device)]
        weights_P = batch["pair_weights"].to(places_P2.device)
        return cls(places_P2[:, 0], places_P2[:, 1], weights_P, source_P)

    def loss(self, losses_P: Tensor, gaps_P: Tensor, sources: Sequence[str]) -> LossOutputs:
        """Return the mean of the losses over each prompt's pairs, summed over prompts, with the metrics of pairs.

        `gaps_P` are the rewards of the better responses minus those of the worse ones. Equal rewards count as half
        right.
        """
        gaps_P = gaps_P.detach()
        right_P = (gaps_P > 0).float() + 0.5 * (gaps_P == 0).float()
        ones_P = torch.ones_like(right_P)
        metrics = {"accuracy": _mean(right_P, ones_P), "margin": _mean(gaps_P, ones_P)}
        for number, source in enumerate(sources if len(sources) > 1 else ()):
            metrics[f"accuracy/{source}"] = _mean(right_P, (self.source == number).float())
        prompts = self.weights.sum().round()
        return LossOutputs((losses_P * self.weights).sum(), prompts, metrics)


def _mean(values_P: Tensor, weights_P: Tensor) -> Tensor:
    return torch.stack([(values_P * weights_P).sum(), weights_P.sum()])


def ranking_losses(gaps_P: Tensor) -> Tensor:
    """Return -log sigmoid(gap) of each pair: the loss of the better response's victory (arXiv:2203.02155, eq. 1)."""
    return -F.logsigmoid(gaps_P)
