"""Every layout against one process, on real ranks."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from stages.generate.passes import Passes
from stages.model.checkpoint.load import LoadedModel
from stages.model.config import ModelConfig
from tests.stages.generate.layouts import answers, answers_of_ranks
from tests.stages.generate.tiny import KINDS, SHAPE, USUAL_STD, VOCAB, model_of
from tests.stages.model.saved import save_untrained

LAYOUTS = [
    (2, {"tp": 2}, [*KINDS]),
    (2, {"pp": 2}, [*KINDS]),
    (4, {"tp": 2, "pp": 2}, [*KINDS]),
    (2, {"ep": 2}, ["experts"]),
    (4, {"tp": 2, "ep": 2}, ["experts"]),
]
"""Every position, every number of key/value heads, and experts, in every layout."""
NEAR = 1e-6
"""Nats by which a token's log probability may differ."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("layouts")
    for kind in KINDS:
        save_untrained(folder / kind, ModelConfig(**{**SHAPE, "init_std": USUAL_STD}, **KINDS[kind]), vocab_size=VOCAB)
    return folder


@cache
def of_one_process(checkpoint: Path) -> dict[str, Any]:
    """Return the answers as JSON holds them."""
    found: dict[str, Any] = json.loads(json.dumps(answers(checkpoint)))
    return found


@pytest.mark.parametrize(("ranks", "sizes", "kinds"), LAYOUTS, ids=[str(sizes) for _, sizes, _ in LAYOUTS])
def test_a_layout_answers_as_one_process(world: Path, ranks: int, sizes: dict[str, int], kinds: list[str]) -> None:
    found = answers_of_ranks(world / "-".join(map(str, sizes.items())), ranks, sizes, kinds)
    for kind, theirs in zip(kinds, found, strict=True):
        alone = of_one_process(world / kind)
        assert [each["is_greedy"] for each in theirs["scores"]] == [each["is_greedy"] for each in alone["scores"]]
        assert numbers(theirs["scores"]) == pytest.approx(numbers(alone["scores"]), abs=NEAR)
        assert [each["tokens"] for each in theirs["texts"]] == [each["tokens"] for each in alone["texts"]]
        assert [each["stopped"] for each in theirs["texts"]] == [each["stopped"] for each in alone["texts"]]
        assert chosen(theirs["texts"]) == pytest.approx(chosen(alone["texts"]), abs=NEAR)


def numbers(scores: list[dict[str, Any]]) -> list[float]:
    return [each["logprob"] for each in scores]


def chosen(texts: list[dict[str, Any]]) -> list[float]:
    return [token["chosen"] for each in texts for token in each["logprobs"]]


def test_a_model_with_another_head_is_refused() -> None:
    model = model_of("RoPE")
    config = ModelConfig(**SHAPE, head="scalar")
    with pytest.raises(ValueError, match="a model with head scalar has no logits"):
        Passes(LoadedModel(model.model, config, VOCAB, "", 0), 10)
