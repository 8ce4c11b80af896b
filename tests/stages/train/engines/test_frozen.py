"""Frozen weights and models, in one process; on ranks: tests/stages/train/test_ranking.py."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from stages.model import parallel
from stages.pretrain.config import PretrainConfig
from stages.shared.task import Ranks
from stages.train.engine import build_engine
from stages.train.engines.frozen import FrozenModel
from stages.train.objectives.base import Batch, ColumnsOf, Model, Role
from tests.stages.train.engines.single import VOCABULARY, next_token
from tests.stages.train.engines.test_megatron import SMALL, batch

CONFIG = PretrainConfig(tokens="x", tokenizer="x", model=SMALL, microbatch=2)


def test_frozen_weights_have_no_gradient_and_no_part_in_its_norm() -> None:
    parallel.start(Ranks())
    norms = []
    for frozen in ((), ("decoder.layers.0.*", "embedding.*")):
        engine = build_engine(CONFIG, Role(config=CONFIG.model, frozen=frozen), VOCABULARY)
        before = [weight.detach().clone() for weight in engine.chunks[0].parameters()]
        engine.accumulate(next_token(), iter([batch()]), 1)
        norms.append(engine.gradient_norm())
        engine.update(0.01)
        named = dict(engine.chunks[0].named_parameters())
        moved = {
            name for (name, weight), old in zip(named.items(), before, strict=True) if not torch.equal(weight, old)
        }
        still = {name for name in named if name.startswith(("decoder.layers.0.", "embedding."))}
        assert moved == (named.keys() - still if frozen else named.keys())
    assert norms[1] < norms[0]


def test_a_model_without_anything_to_train_is_refused() -> None:
    parallel.start(Ranks())
    with pytest.raises(ValueError, match="nothing is left to train"):
        build_engine(CONFIG, Role(config=CONFIG.model, frozen=("d*", "e*", "o*")), VOCABULARY)


def test_a_frozen_model_gives_columns_and_keeps_no_graph() -> None:
    parallel.start(Ranks())
    model = FrozenModel(CONFIG, Role(config=CONFIG.model, frozen=("*",)), VOCABULARY, 1)
    assert not any(weight.requires_grad for weight in model.chunks[0].parameters())

    def annotate(batches: Iterator[Batch], part: Model) -> tuple[Tensor, ColumnsOf]:
        row = next(batches)
        return part(row["tokens"], row["position_ids"]), lambda logits: {"best": logits.argmax(-1)}

    columns = model.annotate(annotate, iter([batch(), batch()]), 2)
    assert len(columns) == 2
    assert torch.equal(columns[0]["best"], columns[1]["best"])
    assert not columns[0]["best"].requires_grad
