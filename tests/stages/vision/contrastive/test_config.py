"""Settings of `vision.contrastive`: two steps, and what two towers cannot do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stages.formats.kinds import KINDS
from stages.shared.contract import InputFile
from stages.shared.errors import ConfigError, DataError
from stages.shared.machine import Machine
from stages.vision.contrastive.config import ContrastiveConfig
from tests.stages.model.huggingface.vision.folders import random_encoder

GIVEN = {"pictures": "from:pictures", "tokenizer": "from:tokenizer", "steps": 10, "warmup_steps": 2, "microbatch": 16}

INPUTS = {"pictures": (InputFile(Path("/p"), "made"),), "tokenizer": (InputFile(Path("/t"), ""),)}


def configured(**changes: Any) -> ContrastiveConfig:
    return ContrastiveConfig.model_validate(GIVEN | changes)


def test_it_trains_and_then_writes_the_encoder() -> None:
    plan = configured().plan(INPUTS)
    assert [step.name for step in plan.steps] == ["train", "encoder"]
    assert {*plan.steps[0].reads} == {"pictures", "tokenizer"}
    assert plan.steps[0].resumes
    made = {(output.kind.name, output.source): output.step for output in plan.outputs}
    assert made["encoder", "encoder"] == "encoder"
    assert made["checkpoint", "final"] == "train"
    (final,) = (output for output in plan.outputs if output.source == "final")
    assert dict(final.unfit)[KINDS.release.name]


def test_the_forecast_names_the_encoders_share() -> None:
    small, large = configured(encoder={"num_layers": 2}), configured()
    found = [dict(each.forecast("train", {}, Machine()).rows)["encoder"] for each in (small, large)]  # type: ignore[union-attr]
    assert found[1].startswith("303,179,776 parameters, 257 features a picture")
    assert configured().forecast("encoder", {}, Machine()) is None
    costs = [each.plan(INPUTS).steps[0] for each in (small, large)]
    assert costs[0].core_seconds < costs[1].core_seconds
    assert costs[1].mem_mb - costs[0].mem_mb == pytest.approx(16 * 22 * 12.596224)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"model": {"head": "lm"}}, r"model.head = .*lm.*: must be none"),
        ({"microbatch": 8}, r"microbatch = 8: must be global_batch / layout.dp \(16\)"),
        ({"layout": {"dp": 2}, "microbatch": 4}, r"microbatch = 4: must be global_batch / layout.dp \(8\)"),
        ({"layout": {"pp": 2}}, r"pp 1 and cp 1"),
        ({"global_batch": 1, "microbatch": 1}, r"global_batch = 1: must be at least 2"),
        ({"mixture": {"a": 1.0}}, r"mixture = .*: must be absent"),
        ({"init_from": "/llama"}, r"init_from = '/llama': must be absent"),
        ({"continue_from": "/c", "continue_with": "weights"}, r"continue_with = 'weights': must be everything"),
        ({"model": {"head": "none", "seq_len": 512, "eyes": {}}}, r"model.eyes = .*: must be absent"),
        ({"encoder": {"dim": 33}}, r"encoder.dim = 33"),
    ],
)
def test_what_two_towers_cannot_do_is_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        configured(**wrong)


def test_an_encoder_to_start_from_is_looked_at_before_anything_runs(tmp_path: Path) -> None:
    random_encoder(tmp_path)
    given = {"encoder_from": (InputFile(tmp_path, ""),)}
    with pytest.raises(DataError, match=r"encoder section .*dim: 48"):
        configured(encoder_from=str(tmp_path)).inspect(given)
    shape = {"patch_size": 7, "picture_size": 28, "num_layers": 3, "dim": 48, "num_heads": 4, "ffn_dim": 80}
    configured(encoder_from=str(tmp_path), encoder=shape).inspect(given)
