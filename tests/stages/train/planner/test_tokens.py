"""How many tokens a model is trained on when nobody says."""

from __future__ import annotations

import pytest

from stages.pretrain.config import PretrainConfig
from stages.shared.errors import ConfigError
from stages.train.planner.tokens import CHINCHILLA, chinchilla_tokens, parse_tokens

LLAMA = {6_738_415_616: 1.4e11, 13_015_864_320: 2.7e11, 32_528_943_616: 6.8e11, 65_285_660_672: 1.4e12}


@pytest.mark.parametrize(("parameters", "tokens"), LLAMA.items())
def test_llamas_largest_model_gets_the_tokens_it_was_trained_on(parameters: int, tokens: float) -> None:
    assert chinchilla_tokens(parameters) == tokens


@pytest.mark.parametrize(("parameters", "operations"), CHINCHILLA)
def test_the_rows_of_the_paper_come_out_as_they_are(parameters: float, operations: float) -> None:
    tokens = chinchilla_tokens(int(parameters))
    assert 6 * parameters * tokens == pytest.approx(operations, rel=0.025)  # two digits


def test_beyond_the_table_tokens_a_parameter_stay_as_they_are() -> None:
    assert chinchilla_tokens(1_000_000) == 20_000_000
    assert chinchilla_tokens(2) == 40
    assert chinchilla_tokens(10**14) == 2_200_000_000_000_000


@pytest.mark.parametrize(
    ("text", "tokens"),
    [("1.4T", 14 * 10**11), ("300B", 3 * 10**11), ("1.4e12", 14 * 10**11), ("20 M", 2 * 10**7), ("77", 77), (5, 5)],
)
def test_tokens_are_written_as_people_write_them(text: str | int, tokens: int) -> None:
    assert parse_tokens(text) == tokens


@pytest.mark.parametrize("text", ["many", "", "-3B", "1.4X", "1,000"])
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"such as 1\.4T"):
        parse_tokens(text)


MODEL = {"num_layers": 2, "dim": 64, "num_heads": 2, "seq_len": 64}


def test_steps_follow_from_tokens_and_without_them_from_the_model() -> None:
    told = PretrainConfig(tokens="x", tokenizer="x", model=MODEL, global_batch=8, train_tokens="20k")
    assert (told.steps, told.tokens_per_step) == (40, 512)  # 39.06 steps: the last one is whole
    free = PretrainConfig(tokens="x", tokenizer="x", model=MODEL, global_batch=8)
    assert free.steps * free.tokens_per_step == pytest.approx(20 * free.model.num_parameters(0), rel=0.05)


def test_steps_and_tokens_that_disagree_are_refused_and_a_resolved_config_is_itself() -> None:
    with pytest.raises(ConfigError, match=r"steps = 41: must be 40 or absent with train_tokens 20000"):
        PretrainConfig(tokens="x", tokenizer="x", model=MODEL, global_batch=8, train_tokens="20k", steps=41)
    told = PretrainConfig(tokens="x", tokenizer="x", model=MODEL, global_batch=8, train_tokens="20k")
    assert PretrainConfig(**told.model_dump()) == told
