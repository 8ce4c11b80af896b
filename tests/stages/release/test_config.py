"""The release stage's plan."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.release.config import ReleaseConfig
from stages.shared.contract import InputFile
from stages.shared.errors import ConfigError

CHECKPOINTS = tuple(InputFile(Path(name), name) for name in ("final", "untrained", "step-0000100"))
TOKENIZER = (InputFile(Path("tokenizer.model"), ""),)


def test_every_checkpoint_but_the_untrained_one_becomes_a_folder() -> None:
    plan = ReleaseConfig().plan({"checkpoints": CHECKPOINTS, "tokenizer": TOKENIZER})
    assert plan.steps[0].shards == 2
    assert [(out.shard, out.kind, out.source) for out in plan.outputs] == [
        (0, "release", "final"),
        (1, "release", "step-0000100"),
    ]


def test_nothing_to_release_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"checkpoints is .*: want a checkpoint beside untrained"):
        ReleaseConfig().plan({"checkpoints": CHECKPOINTS[1:2], "tokenizer": TOKENIZER})
    with pytest.raises(ConfigError, match="exactly one tokenizer file, found 2"):
        ReleaseConfig().plan({"checkpoints": CHECKPOINTS, "tokenizer": TOKENIZER * 2})
