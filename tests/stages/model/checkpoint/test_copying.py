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


def started(run: Run, layers_on_top: int = 0, **settings: Any) -> Decoder:
    parallel.start(Ranks())
    config = ModelConfig(**TINY["model"] | settings)
    tokenizer = Tokenizer(Path(run.data) / "tokenizer.model")
    model = build_model(config, tokenizer.vocab_size, torch.float32)
    copy_weights(model, config, run.out / "final", tokenizer, seed=3, layers_on_top=layers_on_top)
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


def test_layers_on_top_repeat_the_highest_ones(undisturbed: Run) -> None:  # noqa: F811
    count, theirs = TINY["model"]["num_layers"], weights(load_model(undisturbed.out / "final").model)
    ours = weights(started(undisturbed, layers_on_top=1, num_layers=count + 1))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    new = ours.keys() - theirs.keys()
    assert new and all(f"layers.{count}." in name for name in new)
    assert all(torch.equal(ours[name], theirs[name.replace(f".{count}.", f".{count - 1}.")]) for name in new)
    with pytest.raises(DataError, match=f"num_layers: {count}"):
        started(undisturbed, num_layers=count + 1)
    with pytest.raises(DataError, match=f"num_layers: {count + 2}"):
        started(undisturbed, layers_on_top=2, num_layers=count + 1)
    with pytest.raises(DataError, match=f"has {count} layers. Repeat at most as many, not {count + 1}"):
        started(undisturbed, layers_on_top=count + 1, num_layers=2 * count + 1)


def test_another_shape_is_refused_with_what_the_recipe_needs(undisturbed: Run) -> None:  # noqa: F811
    with pytest.raises(
        DataError, match=r"another shape than the recipe's\. Give the recipe's model section ffn_dim: 128"
    ):
        started(undisturbed, ffn_dim=256)
