"""Next-token prediction of the assistant's part of chats with pictures or sounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from megatron.core import parallel_state
from torch import Tensor

from stages.model.spliced import Encode, Perceived
from stages.train.config import TrainingConfig
from stages.train.data.gallery import Gallery
from stages.train.objectives.answers import LearnAnswers
from stages.train.objectives.base import Batch, Column, SetWeights

DECODER = ("decoder", "embedding", "output_layer")
"""Starts of the names of the decoder's weights."""


@dataclass(frozen=True)
class PerceivedUnits:
    """The pictures or sounds of a microbatch: stages.model.spliced.Perceived."""

    places_S: Tensor  # noqa: N815
    units: list[int]
    gallery: Gallery

    def features(self, encode: Encode) -> Tensor:
        """Return the features of all units, in order."""
        return self.gallery.features(self.units, encode)


class LearnPictured(LearnAnswers):
    """Scores learned tokens of packed examples whose pictures or sounds stand in the places of their placeholders.

    Beside the columns of LearnAnswers a batch holds `is_placed` [B x T], the placeholders, on the host, and `units`,
    the numbers of their units in the gallery, in order.
    """

    def __init__(
        self,
        config: TrainingConfig,
        gallery: Gallery,
        train: Sequence[str],
        set_weights: SetWeights | None = None,
        noise: float = 0.0,
    ) -> None:
        """Train the parts `train` of `config.model`: encoder, join, decoder. The others are frozen."""
        super().__init__(config, set_weights, noise)
        self.columns = {**self.columns, "is_placed": Column(None), "units": Column(None)}
        self.roles = {name: replace(role, frozen=frozen_names(train)) for name, role in self.roles.items()}
        self._gallery = gallery

    def perceived(self, batch: Batch) -> Perceived | None:
        """Return the pictures or sounds of a batch; None on a pipeline stage without encoder."""
        if parallel_state.get_pipeline_model_parallel_rank() > 0:
            return None
        sequences, length = batch["tokens"].shape
        row, place = batch["is_placed"].view(sequences, length).nonzero(as_tuple=True)
        places_S = (place * sequences + row).to(batch["tokens"].device)
        return PerceivedUnits(places_S, batch["units"].tolist(), self._gallery)


def frozen_names(train: Sequence[str]) -> tuple[str, ...]:
    """Return the patterns of the names of weights that are not trained, given the parts that are."""
    starts = {"encoder": ("encoder",), "join": ("join",), "decoder": DECODER}
    return tuple(f"{start}.*" for part, names in starts.items() if part not in train for start in names)
