"""Next-token prediction."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from stages.model import parallel
from stages.model.layers.attention import Documents
from stages.pretrain.config import PretrainConfig
from stages.shared.task import Ranks
from stages.train.objectives.next_token import NextToken, label_loss


def make_batch() -> dict[str, Tensor]:
    batch = {name: torch.zeros(2, 3, dtype=torch.int64) for name in ("tokens", "position_ids")}
    batch["labels"] = torch.tensor([[0, 1, 2], [3, 0, 1]])
    batch["loss_mask"] = torch.tensor([[1.0, 0.0, 1.0], [1.0, 1.0, 0.0]])
    return batch


def test_the_loss_is_a_sum_over_the_labels_that_count() -> None:
    parallel.start(Ranks())
    batch, logits = make_batch(), torch.randn(3, 2, 4, generator=torch.Generator().manual_seed(1)).transpose(0, 1)
    found = label_loss(batch, logits.clone())
    wanted = torch.nn.functional.cross_entropy(logits.flatten(0, 1), batch["labels"].flatten(), reduction="none")
    assert float(found.total) == pytest.approx(float((wanted * batch["loss_mask"].flatten()).sum()))
    assert (float(found.count), found.metrics) == (4.0, {})


def test_a_token_sees_its_own_document_where_these_are_apart() -> None:
    def remembering(tokens: Tensor, positions: Tensor, *, documents: Documents | None) -> Tensor:
        seen.append(documents)
        return tokens

    seen: list[Documents | None] = []
    together, apart = (
        NextToken(PretrainConfig(tokens="x", tokenizer="x", attend_across_documents=across), eod=2)
        for across in (True, False)
    )
    together.forward("model", remembering, make_batch())
    apart.forward("model", remembering, make_batch() | {"document_lengths": torch.tensor([2, 1, 3])})
    assert "document_lengths" in apart.columns
    assert "document_lengths" not in together.columns
    assert seen[0] is None
    assert seen[1] is not None
    assert (seen[1].lengths, seen[1].max_seqlen_q) == ((2, 1, 3), 3)
    assert seen[1].cu_seqlens_q.tolist() == [0, 2, 3, 6]
