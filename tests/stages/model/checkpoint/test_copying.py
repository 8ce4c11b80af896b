"""Weights of a checkpoint for a model to start from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from stages.formats.tokenizer import Tokenizer
from stages.model import parallel
from stages.model.checkpoint.copying import copy_weights
from stages.model.checkpoint.load import load_model
from stages.model.config import ModelConfig
from stages.model.decoder import Decoder, build_model
from stages.shared.errors import DataError
from stages.shared.task import Ranks
from tests.stages.train.conftest import corpus, undisturbed  # noqa: F401
from tests.stages.train.ranks import TINY, Run


def started(run: Run, **settings: Any) -> Decoder:
    parallel.start(Ranks())
    config = ModelConfig(**TINY["model"] | settings)
    tokenizer = Tokenizer(Path(run.data) / "tokenizer.model")
    model = build_model(config, tokenizer.vocab_size, torch.float32)
    copy_weights(model, config, run.out / "final", tokenizer, seed=3)
    return model


def weights(model: Decoder) -> dict[str, torch.Tensor]:
    return {name: weight.detach() for name, weight in model.named_parameters()}


def test_the_weights_are_those_of_the_checkpoint(undisturbed: Run) -> None:  # noqa: F811
    ours, theirs = weights(started(undisturbed, seq_len=64)), weights(load_model(undisturbed.out / "final").model)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_another_head_is_drawn_and_new_tokens_have_the_mean_row(undisturbed: Run) -> None:  # noqa: F811
    theirs = weights(load_model(undisturbed.out / "final").model)
    scalar = weights(started(undisturbed, head="scalar", extra_tokens=["<a>"]))
    assert scalar["output_layer.weight"].shape == (1, TINY["model"]["dim"])
    assert scalar["output_layer.weight"].std() > 0
    again = weights(started(undisturbed, head="scalar", extra_tokens=["<a>"]))
    assert torch.equal(scalar["output_layer.weight"], again["output_layer.weight"])
    rows = theirs["embedding.word_embeddings.weight"][:300]
    assert torch.equal(scalar["embedding.word_embeddings.weight"][:300], rows)
    for name in ("embedding.word_embeddings.weight", "output_layer.weight"):  # padding had the new token's row
        ours = weights(started(undisturbed, extra_tokens=["<a>"]))[name]
        assert (len(ours), len(theirs[name])) == (384, 384)
        assert torch.allclose(ours[300], theirs[name][:300].mean(0), atol=1e-7)


def test_another_shape_is_refused_with_what_the_recipe_needs(undisturbed: Run) -> None:  # noqa: F811
    with pytest.raises(
        DataError, match=r"another shape than the recipe's\. Give the recipe's model section ffn_dim: 128"
    ):
        started(undisturbed, ffn_dim=256)
