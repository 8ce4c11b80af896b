"""Settings of `vision.qformer`: one shape for queries and text, and what is refused before anything runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stages.formats.kinds import KINDS
from stages.model.config import ModelConfig
from stages.shared.contract import InputFile
from stages.shared.errors import ConfigError, DataError
from stages.shared.machine import Machine
from stages.vision.qformer.config import QFormerConfig
from tests.stages.model.huggingface.vision.folders import random_encoder

JOIN = {"kind": "qformer", "queries": 4, "num_layers": 3, "dim": 24, "num_heads": 4, "ffn_dim": 40}
MODEL = {"seq_len": 12, "eyes": {"join": JOIN}}
GIVEN = {
    **{"pictures": "from:pictures", "tokenizer": "from:tokenizer", "encoder_from": "from:contrast", "model": MODEL},
    **{"steps": 10, "warmup_steps": 2, "microbatch": 16},
}
INPUTS = {
    "pictures": (InputFile(Path("/p"), "made"),),
    "tokenizer": (InputFile(Path("/t"), ""),),
    "encoder_from": (InputFile(Path("/e"), ""),),
}


def configured(**changes: Any) -> QFormerConfig:
    return QFormerConfig.model_validate(GIVEN | changes)


def test_the_text_side_has_the_shape_of_the_queries_side() -> None:
    model = configured().model
    assert (model.num_layers, model.dim, model.num_heads, model.ffn_dim) == (3, 24, 4, 40)
    assert model.text_len == 8
    default = configured(model={}).model
    assert (default.num_layers, default.dim, default.text_len, default.eyes.join.queries) == (12, 768, 32, 32)
    assert ModelConfig(**model.model_dump(mode="json")).eyes == model.eyes, "what a checkpoint says of it"


def test_one_step_reads_the_encoder_and_its_checkpoint_is_no_release() -> None:
    plan = configured().plan(INPUTS)
    (step,) = plan.steps
    assert {*step.reads} == {"pictures", "tokenizer", "encoder_from"}
    (final,) = (output for output in plan.outputs if output.source == "final")
    assert dict(final.unfit)[KINDS.release.name]


def test_the_plan_names_encoder_and_qformer_by_part() -> None:
    found = configured(model={}).forecast("", {}, Machine())
    assert found is not None
    rows = dict(found.rows)
    assert "encoder 291 M frozen" in rows["eyes"]
    assert "each row has one" in rows["eyes"]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"model": MODEL | {"dim": 32}}, r"model.dim = 32: must be that of model.eyes.join \(24\), or absent"),
        (
            {"model": {"seq_len": 512, "eyes": {"join": {"kind": "mlp"}}}},
            r"model.eyes.join.kind = 'mlp': must be qformer",
        ),
        ({"model": MODEL | {"seq_len": 6}}, r"model.seq_len = 6: must be at least 7"),
        ({"model": MODEL | {"extra_tokens": ["<image>"]}}, r"model.extra_tokens"),
        ({"model": {**MODEL, "eyes": {"join": JOIN, "max_tiles": 4}}}, r"model.eyes.max_tiles = 4: must be 1"),
        ({"model": MODEL | {"lora": {}}}, r"model.lora = .*: must be absent"),
        ({"microbatch": 8}, r"microbatch = 8: must be global_batch / layout.dp \(16\)"),
        ({"layout": {"pp": 3}}, r"pp 1 and cp 1"),
        ({"global_batch": 1, "microbatch": 1}, r"global_batch = 1: must be at least 2"),
        ({"mixture": {"a": 1.0}}, r"mixture = .*: must be absent"),
    ],
)
def test_what_a_qformer_cannot_do_is_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        configured(**wrong)


def test_another_encoder_is_refused_before_anything_runs(tmp_path: Path) -> None:
    random_encoder(tmp_path)
    given = {"encoder_from": (InputFile(tmp_path, ""),)}
    with pytest.raises(DataError, match=r"encoder section .*dim: 48"):
        configured(encoder_from=str(tmp_path)).inspect(given)
