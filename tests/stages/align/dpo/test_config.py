"""Settings of direct preference optimisation."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from stages.align.dpo.config import DpoConfig
from stages.shared.contract import InputFile
from stages.shared.errors import ConfigError
from tests.stages.align.ranked import dpo_settings

World = Mapping[str, tuple[InputFile, ...]]


def test_it_encodes_packs_and_trains(ranked: World) -> None:
    config = DpoConfig.model_validate({**dpo_settings().model_dump(), "continue_from": None, "init_from": "x"})
    plan = config.plan({name: ranked[name] for name in ("preferences", "tokenizer")})
    assert [(step.name, len(step.units)) for step in plan.steps] == [("encode", 2), ("pack", 1), ("dpo", 1)]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"continue_from": None}, "continue_from"),
        ({"model": {"head": "scalar"}}, "model.head"),
        ({"loss": "ipo", "label_smoothing": 0.1}, "label_smoothing"),
        ({"model": {"extra_tokens": []}}, "model.extra_tokens"),
        ({"heldout_batches": 1}, "heldout"),
    ],
)
def test_settings_that_cannot_work_are_named(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        dpo_settings(**changes)
