import pytest

from stages.generate.layout import EngineLayout
from stages.model.config import ModelConfig, MoEConfig
from stages.shared.errors import ConfigError

GROUPED = ModelConfig(num_layers=6, dim=96, num_heads=12, num_kv_heads=2, ffn_dim=96)
EXPERTS = ModelConfig(num_layers=6, dim=96, num_heads=12, ffn_dim=96, moe=MoEConfig(num_experts=6))


@pytest.mark.parametrize(
    ("model", "layout"),
    [
        (GROUPED, {"tp": 2, "pp": 3}),
        (GROUPED, {"tp": 4}),
        (GROUPED, {"tp": 12, "pp": 6}),
        (EXPERTS, {"tp": 3, "pp": 2, "ep": 6}),
    ],
)
def test_a_layout_that_splits_the_model_is_taken(model: ModelConfig, layout: dict[str, int]) -> None:
    EngineLayout(**layout).require(model, "final")


@pytest.mark.parametrize(
    ("model", "layout", "sentence"),
    [
        (GROUPED, {"tp": 5}, "layout.tp = 5: must be a number that splits the 12 heads, 2 key/value heads and 96 "
         "feed-forward columns of final (for example 4)"),
        (GROUPED, {"tp": 3}, "(for example 2)"),
        (GROUPED, {"pp": 4}, "layout.pp = 4: must be a divisor of the 6 layers of final (for example 3)"),
        (GROUPED, {"ep": 2}, "layout.ep = 2: must be 1: final has no experts"),
        (EXPERTS, {"ep": 4}, "layout.ep = 4: must be a divisor of the 6 experts of final (for example 3)"),
    ],
)  # fmt: skip
def test_a_layout_that_cannot_split_the_model_is_refused_with_one_that_can(
    model: ModelConfig, layout: dict[str, int], sentence: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        EngineLayout(**layout).require(model, "final")
    assert sentence in str(refused.value)


def test_a_layout_has_a_process_for_each_part_of_each_split() -> None:
    assert EngineLayout(tp=2, pp=3, ep=4).ranks == 24
