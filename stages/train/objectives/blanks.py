"""Blank infilling: the objective of GLM (arXiv:2103.10360)."""

from __future__ import annotations

from functools import partial

from torch import Tensor
from torch.utils.data import Dataset

from stages.formats.tokenizer import Tokenizer
from stages.model.layers.glm import hidden_keys
from stages.train.config import TrainingConfig
from stages.train.data.blanks import BlankedDataset
from stages.train.objectives.base import Batch, Column, LossOf, Model, Objective, Role, SetWeights
from stages.train.objectives.next_token import label_columns, label_loss
from stages.train.sections import BlanksConfig


class FillBlanks(Objective):
    """Scores the tokens of blanks, one after another, blank by blank in shuffled order.

    Beside the columns of NextToken a batch holds `length_a` [B]; its `position_ids` are [B, 2, T].
    """

    def __init__(
        self, config: TrainingConfig, blanks: BlanksConfig, tokenizer: Tokenizer, set_weights: SetWeights | None = None
    ) -> None:
        length = config.model.seq_len
        columns = label_columns(length) | {"position_ids": Column((2, length)), "length_a": Column()}
        super().__init__(columns=columns, roles={"model": Role(config=config.model, set_weights=set_weights)})
        self.blanks, self.tokenizer, self.seed, self.z_loss = blanks, tokenizer, config.seed, config.z_loss

    def dataset(self, texts: Dataset[Batch]) -> Dataset[Batch]:
        """Return the sequences with blanks."""
        return BlankedDataset(texts, self.blanks, self.seed, self.tokenizer)

    def forward(self, role: str, model: Model, batch: Batch) -> tuple[Tensor, LossOf]:
        """Return the logits, and the cross-entropy of the blanks' tokens."""
        hidden = hidden_keys(batch["length_a"], batch["tokens"].size(1))
        return model(batch["tokens"], batch["position_ids"], hidden), partial(label_loss, batch, z_loss=self.z_loss)
