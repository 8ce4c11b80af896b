"""The shipped trainings have the numbers that were published."""

from __future__ import annotations

import pytest

from jobs.plan.recipe import read_recipe
from stages.pretrain.config import PretrainConfig
from stages.train.planner.forecast import forecast
from stages.train.planner.search import RESERVE
from tests.stages.train.planner.llama import NODES


def pretraining(name: str) -> PretrainConfig:
    config = read_recipe(name).sections["pretrain"]
    assert isinstance(config, PretrainConfig)
    return config


@pytest.mark.parametrize(
    ("name", "parameters", "lr", "tokens", "gpus"),
    [
        ("llama-7b", 6_738_415_616, 3e-4, 1.0e12, 128),
        ("llama-13b", 13_015_864_320, 3e-4, 1.0e12, 256),
        ("llama-33b", 32_528_943_616, 1.5e-4, 1.4e12, 512),
        ("llama-65b", 65_285_660_672, 1.5e-4, 1.4e12, 2048),
    ],
)
def test_llamas_are_the_papers(name: str, parameters: int, lr: float, tokens: float, gpus: int) -> None:
    config = pretraining(name)  # arXiv:2302.13971, table 2 and section 2.3
    assert config.model.num_parameters(32_000) == parameters
    assert (config.lr, config.warmup_steps, config.min_lr_ratio, config.tokens_per_step) == (lr, 2000, 0.1, 2**22)
    assert config.steps * config.tokens_per_step == pytest.approx(tokens, rel=1e-5)
    optimizer = config.optimizer
    assert (optimizer.beta2, optimizer.weight_decay, optimizer.clip_grad) == (0.95, 0.1, 1.0)
    assert config.layout.ranks == gpus


@pytest.mark.parametrize("name", ["llama-7b", "llama-13b", "llama-33b", "llama-65b", "glm-10b"])
def test_a_layout_fits_and_no_other_of_as_many_gpus_is_much_faster(name: str) -> None:
    found = forecast(pretraining(name).planned({}), NODES)
    assert sum(found.data["memory_gb"].values()) < 85 * (1 - RESERVE)
    assert found.data["faster"] is None


def test_the_mixture_is_mixtrals_shape() -> None:
    model = pretraining("moe").model
    assert model.num_parameters(32_000) == 46_702_792_704
    assert model.num_active_parameters(32_000) == 12_879_925_248


def test_glm_has_ten_billion_parameters_and_fills_blanks() -> None:
    config = pretraining("glm-10b")
    assert config.model.num_parameters(config.model.num_rows(50_000)) == pytest.approx(9.87e9, rel=1e-3)
    assert config.blanks is not None
