"""Next-token prediction of the assistant's part of chats: the objective of supervised fine-tuning."""

from __future__ import annotations

from functools import partial

from torch import Tensor

from stages.model.layers.attention import documents_apart
from stages.train.config import TrainingConfig
from stages.train.objectives.base import Batch, Column, LossOf, Model, Objective, Role, SetWeights
from stages.train.objectives.next_token import label_columns, label_loss


class LearnAnswers(Objective):
    """Scores the learned tokens of packed examples, which do not see each other and whose positions start from 0.

    Beside the columns of NextToken a batch holds `document_lengths`, the tokens of each example.
    """

    def __init__(self, config: TrainingConfig, set_weights: SetWeights | None = None) -> None:
        """Train `config.model`, whose settings keep documents apart."""
        columns = label_columns(config.model.seq_len) | {"document_lengths": Column(None)}
        super().__init__(columns=columns, roles={"model": Role(config=config.model, set_weights=set_weights)})
        self.z_loss = config.z_loss

    def forward(self, role: str, model: Model, batch: Batch) -> tuple[Tensor, LossOf]:
        """Return the logits, and the cross-entropy of the learned tokens."""
        tokens, positions = batch["tokens"], batch["position_ids"]
        apart = documents_apart(batch["document_lengths"], tokens.size(1), tokens.device, positions)
        return model(tokens, positions, documents=apart), partial(label_loss, batch, z_loss=self.z_loss)
