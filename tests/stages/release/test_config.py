"""The release stage's plan."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from stages.formats.kinds import KINDS
from stages.release.config import ReleaseConfig
from stages.shared.contract import InputFile
from stages.shared.errors import ConfigError, DataError
from stages.shared.files import write_json

CHECKPOINTS = tuple(InputFile(Path(name), name) for name in ("final", "untrained", "step-0000100"))
TOKENIZER = (InputFile(Path("tokenizer.model"), ""),)


def test_every_checkpoint_but_the_untrained_one_becomes_a_folder() -> None:
    plan = ReleaseConfig().plan({"checkpoints": CHECKPOINTS, "tokenizer": TOKENIZER})
    assert [unit.key for unit in plan.steps[0].units] == ["final", "step-0000100"]
    assert [(out.unit, out.kind, out.source) for out in plan.outputs] == [
        ("final", KINDS.release, "final"),
        ("step-0000100", KINDS.release, "step-0000100"),
    ]


def test_one_more_checkpoint_leaves_the_units_of_the_others_as_they_are() -> None:
    config = ReleaseConfig()
    before, after = (
        config.plan({"checkpoints": some, "tokenizer": TOKENIZER}).steps[0].units
        for some in (CHECKPOINTS[2:], CHECKPOINTS)
    )
    assert after[1:] == before


def test_nothing_to_release_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"^checkpoints = .*: must be a checkpoint beside untrained"):
        ReleaseConfig().plan({"checkpoints": CHECKPOINTS[1:2], "tokenizer": TOKENIZER})
    with pytest.raises(ConfigError, match="exactly one tokenizer file, found 2"):
        ReleaseConfig().plan({"checkpoints": CHECKPOINTS, "tokenizer": TOKENIZER * 2})


def test_a_model_that_transformers_has_not_is_refused_by_the_plan(tmp_path: Path) -> None:
    unfit = (replace(CHECKPOINTS[0], unfit=(("release", "model.bias True: LLaMA and Mixtral have False"),)),)
    with pytest.raises(ConfigError, match=r"must be a model that transformers has \(model\.bias True"):
        ReleaseConfig().plan({"checkpoints": unfit, "tokenizer": TOKENIZER})
    state = {"model": {"position": "alibi"}, "vocab_size": 300, "dtype": "fp32", "tokenizer_sha256": "x", "step": 3}
    write_json(tmp_path / "state.json", state)
    write_json(tmp_path / "complete.json", {})
    outside = {"checkpoints": (InputFile(tmp_path, "final"),)}
    with pytest.raises(ConfigError, match=r"must be a model that transformers has \(model\.position alibi"):
        ReleaseConfig(checkpoints=str(tmp_path)).inspect(outside)
    write_json(tmp_path / "state.json", state | {"model": {}})
    ReleaseConfig(checkpoints=str(tmp_path)).inspect(outside)
    (tmp_path / "other.model").write_bytes(b"other pieces")
    outside["tokenizer"] = (InputFile(tmp_path / "other.model", ""),)
    with pytest.raises(DataError, match=r"trained with another tokenizer\. Set `tokenizer` to that of its training"):
        ReleaseConfig(checkpoints=str(tmp_path)).inspect(outside)
