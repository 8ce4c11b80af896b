"""Next-token prediction."""

from __future__ import annotations

import torch
from torch import Tensor

from stages.model.layers.attention import Documents
from stages.train.objectives.next_token import next_token


def test_the_loss_is_a_sum_over_the_labels_that_count() -> None:
    losses = torch.tensor([[1.0, 2.0, 4.0], [8.0, 16.0, 32.0]])
    batch = {name: torch.zeros(2, 3, dtype=torch.int64) for name in ("tokens", "labels", "position_ids")}
    batch["loss_mask"] = torch.tensor([[1.0, 0.0, 1.0], [1.0, 1.0, 0.0]])
    asked: list[Tensor] = []
    documents: list[Documents | None] = []

    def model(
        tokens: Tensor, positions: Tensor, mask: None, *, labels: Tensor, packed_seq_params: Documents | None
    ) -> Tensor:
        asked.extend([tokens, positions, labels])
        documents.append(packed_seq_params)
        return losses

    output, loss_of = next_token(iter([batch]), model)
    total, labels, logged = loss_of(output)
    assert [x is y for x, y in zip(asked, (batch["tokens"], batch["position_ids"], batch["labels"]), strict=True)]
    assert (total.item(), labels.item(), labels.dtype) == (29.0, 4, torch.int32)
    assert logged.tolist() == [29.0, 4.0]
    assert documents == [None]
    next_token(iter([batch | {"document_lengths": torch.tensor([2, 1, 3])}]), model)
    assert documents[1] is not None
    assert (documents[1].lengths, documents[1].max_seqlen_q) == ((2, 1, 3), 3)
    assert documents[1].cu_seqlens_q.tolist() == [0, 2, 3, 6]
