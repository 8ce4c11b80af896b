"""A microbatch as the models read it: cut behind its longest row, with outputs where they are read.

Shape suffixes: B = rows of a microbatch, T = positions of a row, C = those up to the longest row's last read one, S =
positions that are read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch.nn.functional as F  # noqa: N812
from numpy.typing import NDArray
from torch import Tensor

from stages.model.layers.attention import whole_sequences
from stages.train.config import TrainingConfig
from stages.train.objectives.answers import scored_tokens
from stages.train.objectives.base import Batch, Model

READ = "is_read"
"""Column of a batch, on the host, [B x T]: whether the output at a position is read."""
EIGHT = 8
"""Rows are cut to a multiple of it: kernels are slow with odd widths."""


def alike(lengths_N: NDArray[np.int64], microbatch: int, replicas: int) -> NDArray[np.intp]:
    """Return an order of a batch's rows: those of a microbatch have like lengths, and replicas like sums of them.

    A replica takes a run of rows. The rows of a microbatch do not depend on the number of replicas.
    """
    groups = np.argsort(lengths_N, kind="stable").reshape(-1, replicas, microbatch)
    return groups.swapaxes(0, 1).reshape(-1)


@dataclass(frozen=True)
class Reading:
    """What the models read of a microbatch.

    Under sequence parallelism ranks would have unequal numbers of rows in the last layer, and experts are balanced over
    whole sequences: there outputs are those of all positions, [B, T]. A pipeline's stages exchange rows of one length.
    """

    batch: Batch
    """Cut to C positions."""
    scored: Tensor | None
    """Positions that are read, each as t x B + b, [S]; None: all."""

    @classmethod
    def of(cls, batch: Batch, config: TrainingConfig) -> Reading:
        """Return the reading of a microbatch. It depends on the positions that are read alone: the log probabilities of
        a microbatch and its update have the same shapes, and so the same bits.
        """
        if config.layout.sp or config.model.moe is not None:
            return cls(batch, None)
        rows, length = batch["tokens"].shape
        is_read_BT = batch[READ].view(rows, length)
        if config.layout.pp == 1:
            last = int(is_read_BT.any(0).nonzero().amax()) if is_read_BT.any() else 0
            width = min(length, (last // EIGHT + 1) * EIGHT)
            is_read_BT = is_read_BT[:, :width]
            batch = {name: column[:, :width] for name, column in batch.items() if name != READ}
        return cls(batch, scored_tokens(is_read_BT.reshape(-1), batch["tokens"]))

    def output(self, model: Model) -> Tensor:
        """Return the model's output: [1, S, ...], or [B, T, ...] where all positions are read."""
        tokens_BC = self.batch["tokens"]
        documents = None if self.scored is None else whole_sequences(tokens_BC.size(1), self.scored)
        return model(tokens_BC, self.batch["position_ids"], documents=documents)

    def columns(self, names: Sequence[str]) -> Batch:
        """Return columns at the output's positions."""
        chosen = {name: self.batch[name] for name in names}
        if self.scored is None:
            return chosen
        return {name: column_BC.t().flatten()[self.scored][None] for name, column_BC in chosen.items()}

    def whole(self, found: Tensor, length: int) -> Tensor:
        """Return numbers at the output's positions as a column of rows of a length, [B, T]: 0 where nothing is read."""
        if self.scored is None:
            return found
        rows, width = self.batch["tokens"].shape
        column_BC = found.new_zeros(rows * width).index_copy(0, self.scored, found[0]).view(width, rows).t()
        return F.pad(column_BC, (0, length - width))
