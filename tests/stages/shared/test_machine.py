"""GPUs by name, and what may be changed of them."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from stages.shared.errors import ConfigError
from stages.shared.machine import GPUS, Gpu


@pytest.mark.parametrize("name", GPUS)
def test_a_known_gpu_needs_no_more_than_its_name(name: str) -> None:
    gpu = Gpu.model_validate(name)
    assert (gpu.type, gpu.memory_gb, gpu.count) == (name, GPUS[name]["memory_gb"], None)
    assert gpu == Gpu.model_validate(gpu.model_dump())


def test_any_value_of_a_known_gpu_may_be_changed() -> None:
    gpu = Gpu.model_validate({"type": "a100-80gb", "watts": 300, "count": 2048})
    assert (gpu.watts, gpu.count, gpu.tflops) == (300, 2048, 312)


def test_an_unknown_gpu_is_met_with_the_nearest_name_unless_it_is_described() -> None:
    with pytest.raises(
        ConfigError, match=r"gpu\.type = 'a100-80': must be a known type \(did you mean 'a100-80gb'\?\)"
    ):
        Gpu.model_validate("a100-80")
    described = {"memory_gb": 64, "tflops": 383, "memory_gbs": 3200, "nvlink_gbs": 200, "network_gbs": 25, "watts": 560}
    assert Gpu.model_validate({"type": "mi250x", **described}).memory_gb == 64
    del described["watts"]
    with pytest.raises(ConfigError, match="or one with watts beside it"):
        Gpu.model_validate({"type": "mi250x", **described})


@pytest.mark.parametrize("wrong", [{"type": "h200", "memory": 1}, {"type": "h200", "pue": 0.5}, {}, 7])
def test_what_is_wrong_is_refused(wrong: object) -> None:
    with pytest.raises(ValidationError):
        Gpu.model_validate(wrong)
