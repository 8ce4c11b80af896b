"""Checks of a training whose pairs are negatives of each other: the stages that ask test the messages."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.shared.errors import ConfigError
from stages.train.together import require_absent, require_together
from tests.stages.vision.contrastive.test_config import configured


def test_settings_that_fit_pass() -> None:
    require_together(configured())
    require_absent("vision.contrastive", {"mixture": None})


def test_a_setting_without_use_names_itself_and_the_stage() -> None:
    with pytest.raises(ConfigError, match=r"init_from = .*: must be absent in vision.contrastive"):
        require_absent("vision.contrastive", {"init_from": Path("/llama")})
