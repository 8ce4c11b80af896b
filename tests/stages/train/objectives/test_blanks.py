"""Blank infilling."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from stages.formats.tokenizer import Tokenizer
from stages.pretrain.config import PretrainConfig
from stages.train.objectives.blanks import FillBlanks


def test_a_sample_has_the_columns_that_are_declared_and_part_a_is_seen_whole(corpus: str) -> None:
    config = PretrainConfig(tokens="x", tokenizer="x", blanks={}, model={"position": "glm", "seq_len": 32})
    assert config.blanks is not None
    objective = FillBlanks(config, config.blanks, Tokenizer(Path(corpus) / "tokenizer.model"))
    (sample,) = (objective.dataset([{"tokens": torch.arange(3, 35)}])[number] for number in range(1))  # type: ignore[arg-type]  # a list of rows is a dataset
    assert {name: (tuple(sample[name].shape), sample[name].dtype) for name in objective.columns} == {
        name: (column.shape, column.dtype) for name, column in objective.columns.items()
    }
    masks: list[Tensor] = []

    def model(tokens: Tensor, positions: Tensor, hidden: Tensor | None = None, documents: None = None) -> Tensor:
        assert hidden is not None
        masks.append(hidden)
        return tokens

    objective.forward("model", model, {name: column[None] for name, column in sample.items()})
    part_a = int(sample["length_a"])
    assert not masks[0][0, 0, :, :part_a].any()
    assert masks[0][0, 0, 0, part_a:].all()
