"""Next-token prediction: the objective of pretraining."""

from __future__ import annotations

from functools import partial

import torch
from megatron.core import parallel_state
from torch import Tensor
from torch.utils.data import Dataset

from stages.model.layers.attention import documents_apart
from stages.model.layers.cross_entropy import cross_entropy
from stages.train.config import TrainingConfig
from stages.train.data.documents import WithDocuments
from stages.train.objectives.base import Batch, Column, LossOf, LossOutputs, Model, Objective, Role, SetWeights

# Shape suffixes: B = sequences of a microbatch, T = tokens of a sequence, V = this rank's part of the vocabulary.


class NextToken(Objective):
    """Scores each token against the one before it.

    A batch holds `tokens`, `labels` and `position_ids` [B, T], and `loss_mask` [B, T] that is 1 where a label counts.
    With attend_across_documents false it also holds `document_lengths`, and a token sees its own document alone. The
    token that ends a document is still scored by the one that follows it, the first of another document: a model that
    is asked without a context predicts from it.
    """

    def __init__(self, config: TrainingConfig, eod: int, set_weights: SetWeights | None = None) -> None:
        """Train `config.model`; `eod` is the token that ends a document."""
        columns = label_columns(config.model.seq_len)
        if not config.attend_across_documents:
            columns["document_lengths"] = Column(None)
        super().__init__(columns=columns, roles={"model": Role(config=config.model, set_weights=set_weights)})
        self.eod, self.z_loss, self.is_apart = eod, config.z_loss, not config.attend_across_documents

    def dataset(self, texts: Dataset[Batch]) -> Dataset[Batch]:
        """Return the sequences, with the lengths of their documents where these are kept apart."""
        return WithDocuments(texts, self.eod) if self.is_apart else texts

    def forward(self, role: str, model: Model, batch: Batch) -> tuple[Tensor, LossOf]:
        """Return the logits, and the cross-entropy of the labels that count."""
        tokens, apart = batch["tokens"], None
        if "document_lengths" in batch:
            apart = documents_apart(batch["document_lengths"], tokens.size(1), tokens.device)
        return model(tokens, batch["position_ids"], documents=apart), partial(label_loss, batch, z_loss=self.z_loss)


def label_columns(seq_len: int) -> dict[str, Column]:
    """Return the columns of sequences whose labels are scored."""
    whole = Column((seq_len,))
    return {"tokens": whole, "labels": whole, "loss_mask": Column((seq_len,), torch.float32), "position_ids": whole}


def label_loss(batch: Batch, logits_BTV: Tensor, z_loss: float = 0.0) -> LossOutputs:
    """Return the cross-entropy of a batch's labels in nats, summed over those that count: see cross_entropy."""
    group = parallel_state.get_tensor_model_parallel_group()
    losses_BT = cross_entropy(logits_BTV.transpose(0, 1), batch["labels"].t(), group, z_loss).t()
    return LossOutputs(torch.sum(losses_BT.float() * batch["loss_mask"]), batch["loss_mask"].sum())
