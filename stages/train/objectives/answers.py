"""Next-token prediction of the assistant's part of chats: the objective of supervised fine-tuning."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from stages.model.layers.attention import documents_apart
from stages.model.layers.noise import EmbeddingNoise, hashed
from stages.model.spliced import Perceived
from stages.train.config import TrainingConfig
from stages.train.objectives.base import Batch, Column, LossOf, Model, Objective, Role, SetWeights
from stages.train.objectives.next_token import label_columns, label_loss


class LearnAnswers(Objective):
    """Scores the learned tokens of packed examples, which do not see each other and whose positions start from 0.

    Beside the columns of NextToken a batch holds `document_lengths`, the tokens of each example; `is_learned` [B x T],
    loss_mask on the host; and `draw` [B], the number of each row in the order of the training.

    The logits are those of the learned tokens alone, [1, S, V]. They are those of all tokens, [B, T, V], under sequence
    parallelism, where ranks would have unequal numbers of rows, and with experts, which are balanced over sequences.
    """

    def __init__(self, config: TrainingConfig, set_weights: SetWeights | None = None, noise: float = 0.0) -> None:
        """Train `config.model`, whose settings keep documents apart; `noise` is NEFTune's alpha."""
        packed = {"document_lengths": Column(None), "is_learned": Column(None), "draw": Column()}
        columns = label_columns(config.model.seq_len) | packed
        super().__init__(columns=columns, roles={"model": Role(config=config.model, set_weights=set_weights)})
        self.z_loss, self.noise, self.seed, self.dim = config.z_loss, noise, config.seed, config.model.dim
        self.scores_all = config.layout.sp or config.model.moe is not None

    def forward(self, role: str, model: Model, batch: Batch) -> tuple[Tensor, LossOf]:
        """Return the logits, and the cross-entropy of the learned tokens."""
        tokens, positions = batch["tokens"], batch["position_ids"]
        apart = documents_apart(batch["document_lengths"], tokens.size(1), tokens.device, positions)
        labels = {name: batch[name] for name in ("labels", "loss_mask")}
        if not self.scores_all:
            apart.scored = scored_S = scored_tokens(self.is_scored(batch), tokens)
            labels = {name: column_BT.t().flatten()[scored_S][None] for name, column_BT in labels.items()}
        noise = self._noise(batch) if self.noise else None
        perceived = self.perceived(batch)
        output = model(tokens, positions, documents=apart, noise=noise, perceived=perceived)
        return output, partial(label_loss, labels, z_loss=self.z_loss)

    def is_scored(self, batch: Batch) -> Tensor:
        """Return which tokens have logits, [B x T] on the host: the learned ones unless overridden."""
        return batch["is_learned"]

    def perceived(self, _batch: Batch) -> Perceived | None:
        """Return the pictures or sounds of a batch: none unless overridden."""
        return None

    def _noise(self, batch: Batch) -> EmbeddingNoise:
        """Return noise of at most alpha / sqrt(L D) for an example of L tokens: packing does not change its size."""
        lengths = batch["document_lengths"]
        sizes_N = self.noise * (lengths.repeat_interleave(lengths) * self.dim).float().rsqrt()
        keys_B = hashed(batch["draw"] + hashed(torch.tensor(self.seed)).to(batch["draw"]))
        return EmbeddingNoise(keys_B, sizes_N.view(batch["tokens"].shape).to(keys_B.device))


def scored_tokens(is_scored_BT: Tensor, tokens_BT: Tensor) -> Tensor:
    """Return the scored tokens, each as t x B + b, [S]; the first token where there is none, since every weight needs a
    gradient. They are found on the host, where `is_scored_BT` lies, sequence after sequence: it does not wait for the
    device.
    """
    sequences, device = tokens_BT.size(0), tokens_BT.device
    scored_S = is_scored_BT.view(sequences, -1).t().flatten().nonzero()[:, 0]
    if not len(scored_S):
        scored_S = torch.zeros(1, dtype=torch.int64)
    return scored_S.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else scored_S
