"""Next-token prediction of the assistant's part of chats: the objective of supervised fine-tuning."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from stages.model.layers.attention import documents_apart
from stages.model.layers.noise import EmbeddingNoise, hashed
from stages.train.config import TrainingConfig
from stages.train.objectives.base import Batch, Column, LossOf, Model, Objective, Role, SetWeights
from stages.train.objectives.next_token import label_columns, label_loss


class LearnAnswers(Objective):
    """Scores the learned tokens of packed examples, which do not see each other and whose positions start from 0.

    Beside the columns of NextToken a batch holds `document_lengths`, the tokens of each example, and `draw` [B], the
    number of each row in the order of the training.
    """

    def __init__(self, config: TrainingConfig, set_weights: SetWeights | None = None, noise: float = 0.0) -> None:
        """Train `config.model`, whose settings keep documents apart; `noise` is NEFTune's alpha."""
        columns = label_columns(config.model.seq_len) | {"document_lengths": Column(None), "draw": Column()}
        super().__init__(columns=columns, roles={"model": Role(config=config.model, set_weights=set_weights)})
        self.z_loss, self.noise, self.seed, self.dim = config.z_loss, noise, config.seed, config.model.dim

    def forward(self, role: str, model: Model, batch: Batch) -> tuple[Tensor, LossOf]:
        """Return the logits, and the cross-entropy of the learned tokens."""
        tokens, positions = batch["tokens"], batch["position_ids"]
        apart = documents_apart(batch["document_lengths"], tokens.size(1), tokens.device, positions)
        noise = self._noise(batch) if self.noise else None
        return model(tokens, positions, documents=apart, noise=noise), partial(label_loss, batch, z_loss=self.z_loss)

    def _noise(self, batch: Batch) -> EmbeddingNoise:
        """Return noise of at most alpha / sqrt(L D) for an example of L tokens: packing does not change its size."""
        lengths = batch["document_lengths"]
        sizes_N = self.noise * (lengths.repeat_interleave(lengths) * self.dim).float().rsqrt()
        keys_B = hashed(batch["draw"] + hashed(torch.tensor(self.seed)).to(batch["draw"]))
        return EmbeddingNoise(keys_B, sizes_N.view(batch["tokens"].shape).to(keys_B.device))
