from pathlib import Path
from typing import Any

import pytest

from stages.evaluate.config import EvaluateConfig
from stages.model.checkpoint.settings import PlannedModel
from stages.model.config import ModelConfig
from stages.shared.contract import Forecast, InputFile
from stages.shared.errors import ConfigError
from stages.shared.machine import Gpu, Machine
from stages.toolbox.memory import making_mb

LLAMA_7B = ModelConfig(num_layers=32, dim=4096, num_heads=32, seq_len=2048)
SMALL = ModelConfig(num_layers=2, dim=64, num_heads=4, seq_len=64)
GPU = Machine(gpu=Gpu.model_validate("v100-32gb"))


def coming(name: str, model: ModelConfig, dtype: str = "bf16") -> InputFile:
    about = PlannedModel(model=model, dtype=dtype, tokenizer="").text()
    return InputFile(Path("not made"), name, section="pretrain", about=about)


def forecast_of(machine: Machine, *checkpoints: InputFile, step: str = "", **settings: Any) -> Forecast | None:
    tokenizer = InputFile(Path("tokenizer.model"), "", count=32_000)
    config = EvaluateConfig.model_validate(settings)
    return config.forecast(step, {"checkpoints": checkpoints, "tokenizer": (tokenizer,)}, machine)


def test_the_largest_model_says_what_a_unit_takes_on_a_host() -> None:
    found = forecast_of(Machine(), coming("small", SMALL), coming("large", LLAMA_7B))
    assert found is not None
    weights = 2 * 6_738_415_616 / 1e6
    assert 2 * weights < found.mem_mb < 2.3 * weights, "the weights, and a cache of as much"
    assert found.data["largest"] == "pretrain/large"
    assert found.headline == "2 models, 28.2 GB a rank at most"
    ((_, text),) = found.rows
    assert text.startswith(
        "28.2 GB with 500 MB of libraries, 1 rank, for pretrain/large: weights 13.5 GB, cache 13.5 GB"
    )


def test_a_smaller_cache_and_more_ranks_take_less() -> None:
    whole, less = (forecast_of(Machine(), coming("x", LLAMA_7B), **more) for more in ({}, {"cache_mb": 3000}))
    assert whole is not None and less is not None
    assert less.mem_mb < whole.mem_mb - 10_000
    split = forecast_of(Machine(), coming("x", LLAMA_7B), layout={"tp": 2, "pp": 2})
    assert split is not None
    assert split.mem_mb < whole.mem_mb + 8000, "of all ranks together: libraries and steps are there once a rank"
    assert split.headline == "1 model, 7.98 GB a rank at most"


def test_a_gpu_holds_the_model_and_its_host_little() -> None:
    found = forecast_of(GPU, coming("x", LLAMA_7B))
    assert found is not None
    assert found.mem_mb < 14_100


def test_a_model_that_no_gpu_holds_is_refused_with_a_layout() -> None:
    large = ModelConfig(num_layers=40, dim=5120, num_heads=40, ffn_dim=13824, seq_len=2048)
    with pytest.raises(ConfigError, match=r"^layout = .*more ranks for pretrain/x.*34 GB of a v100.*example \{tp: 2\}"):
        forecast_of(GPU, coming("x", large))
    assert forecast_of(GPU, coming("x", large), layout={"tp": 2}) is not None


def test_the_alarm_and_models_that_nothing_describes_have_no_forecast() -> None:
    assert forecast_of(Machine(), coming("x", SMALL), step="alarm") is None
    assert forecast_of(Machine(), InputFile(Path("nowhere"), "x", section="align")) is None


def test_the_index_of_a_search_is_on_every_ranks_host() -> None:
    tokenizer, corpus = InputFile(Path("tokenizer.model"), "", count=32_000), InputFile(Path("c.zst"), "", mb=100)
    config = EvaluateConfig.model_validate({"layout": {"tp": 2}})
    inputs = {"checkpoints": (coming("x", SMALL),), "tokenizer": (tokenizer,)}
    without, found = (config.forecast("", {**inputs, **more}, GPU) for more in ({}, {"corpus": (corpus,)}))
    assert without is not None and found is not None
    assert found.mem_mb == without.mem_mb + 2 * making_mb([corpus])
    assert found.rows[-1] == ("index", "4.15 GB a rank on its host, for the search")
