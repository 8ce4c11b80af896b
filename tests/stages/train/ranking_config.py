"""Settings of the ranking stage of tests/stages/train/ranking.py."""

from __future__ import annotations

from typing import Annotated, ClassVar

from stages.formats.kinds import KINDS
from stages.model.config import ModelConfig
from stages.shared.contract import Inputs, Reads
from stages.train.config import WEIGHTS
from stages.train.stage import TrainingStage


class RankingConfig(TrainingStage):
    """Trains a model to rank pairs of texts."""

    stage: ClassVar[str] = "ranking"
    data: ClassVar[str] = "pairs"
    run: ClassVar[str] = "tests.stages.train.ranking:run"

    pairs: Annotated[Inputs, Reads(KINDS.documents)]
    """Pairs of texts."""
    model: Annotated[ModelConfig, WEIGHTS] = ModelConfig(head="scalar")
    """The model that is trained."""
    frozen: Annotated[tuple[str, ...], WEIGHTS] = ("embedding.*", "decoder.layers.0.*")
    """Weights that stay as they are."""
