"""Published mixtures, as shipped recipes: their numbers agree with each other and with the papers' other numbers."""

from __future__ import annotations

from typing import Any

import pytest

from jobs.plan.recipe import read_recipe
from stages.pretrain.config import PretrainConfig
from stages.shared.errors import ConfigError
from stages.train.mixing.shares import readings

EPOCHS = (1.10, 1.06, 0.64, 2.45, 2.23, 1.06, 1.03)
DISK_GB = (3300, 783, 328, 83, 85, 92, 78)
"""LLaMA's table (arXiv:2302.13971, table 1), in its order."""
TRAINED = 1.4e12


def pretraining(recipe: str, *overrides: str) -> PretrainConfig:
    config = read_recipe(recipe, list(overrides)).sections["pretrain"]
    assert isinstance(config, PretrainConfig)
    return config


def test_llamas_shares_sum_to_100_and_its_sizes_give_tokens_of_a_plausible_density() -> None:
    mixture = pretraining("llama-mix").mixture or {}
    assert sum(mixture.values()) == 100
    tokens = {
        name: TRAINED * share / 100 / epochs for (name, share), epochs in zip(mixture.items(), EPOCHS, strict=True)
    }
    density = [1e9 * gb / held for gb, held in zip(DISK_GB, tokens.values(), strict=True)]
    assert all(2.5 < each < 4.5 for each in density), "bytes a token"
    found = readings(tokens, mixture, TRAINED, pretraining("llama-mix").mixing)
    assert [each.epochs for each in found] == pytest.approx(EPOCHS)


def test_a_share_of_llamas_table_that_is_changed_alone_is_refused() -> None:
    with pytest.raises(ConfigError, match="must be weights that sum to 100, not 103"):
        pretraining("llama-mix", "pretrain.mixture.CommonCrawl=70.0")


def test_the_piles_weights_follow_from_its_sizes_and_epochs() -> None:
    config = pretraining("pile-mix")
    mixture, mixing = config.mixture or {}, config.mixing
    assert mixing is not None and mixing.sizes is not None and mixing.published is not None
    effective = {name: size * mixture[name] for name, size in mixing.sizes.items()}
    assert sum(effective.values()) == pytest.approx(1254.20, abs=0.01), "GiB"
    assert len(mixture) == 22
    shares = {each.source: each.share for each in readings(dict.fromkeys(mixture, 1e9), mixture, 1e11, mixing)}
    assert {name: round(100 * share, 2) for name, share in shares.items()} == pytest.approx(mixing.published, abs=0.011)


@pytest.mark.parametrize("change", [{"mixture": {"Pile-CC": 2.0}}, {"sizes": {"ArXiv": 65.21}}])
def test_a_wrong_size_or_epoch_of_the_pile_is_refused(change: dict[str, Any]) -> None:
    place, ((name, value),) = next(iter(change)), next(iter(change.values())).items()
    setting = f"pretrain.{'mixing.' if place == 'sizes' else ''}{place}.{name}={value}"
    with pytest.raises(ConfigError, match=r"mixing\.published\.\S+ = .*which `mixture` and `sizes` give"):
        pretraining("pile-mix", setting)
