"""Next-token prediction of chats with sounds, and CTC: a sound's own positions are taught its words.

The next token alone teaches an encoder very slowly from nothing: which part of a sound has a word must be found first.
CTC (Graves et al., ICML 2006) sums over all places where the words may lie. Its classifier is the decoder's own head at
the positions of the sound, so no weight is added; the placeholder stands for the blank.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
import torch.nn.functional as F  # noqa: N812
from megatron.core.tensor_parallel import gather_from_tensor_model_parallel_region
from torch import Tensor, nn

from stages.train.config import TrainingConfig
from stages.train.data.gallery import Gallery
from stages.train.objectives.answers import scored_tokens
from stages.train.objectives.base import Batch, Column, LossOf, LossOutputs, Model, SetWeights
from stages.train.objectives.pictured import LearnPictured

# Shape suffixes: N = sounds, T = positions of the longest, V = vocabulary, S = scored tokens; B = sequences.

CTC = "ctc"
"""Metric: the CTC loss of a sound's token, in nats."""


@dataclass(frozen=True)
class Ctc:
    """How a sound's positions are taught its words."""

    weight: float
    """Of a sound's token, beside 1 of a learned one."""
    blank: int
    """The placeholder's id."""


class LearnHeard(LearnPictured):
    """Scores learned tokens, and the words of sounds at the positions of these.

    Beside the columns of LearnPictured a batch holds, on the host, `sound_lengths`, the positions of each sound;
    `spoken`, the tokens of all transcripts in order; and `spoken_lengths`, how many each sound has. A sound without
    transcript, or with more tokens than positions, has no CTC loss.
    """

    def __init__(
        self, config: TrainingConfig, gallery: Gallery, train: Sequence[str], set_weights: SetWeights, ctc: Ctc
    ) -> None:
        """Train the parts `train` of `config.model`."""
        super().__init__(config, gallery, train, set_weights)
        heard = dict.fromkeys(("sound_lengths", "spoken", "spoken_lengths"), Column(None))
        self.columns = {**self.columns, **heard}
        self.metrics = (*self.metrics, CTC)
        self.ctc = ctc

    def is_scored(self, batch: Batch) -> Tensor:
        """Return which tokens have logits: learned ones, and the positions of sounds."""
        return batch["is_learned"] | batch["is_placed"]

    def forward(self, role: str, model: Model, batch: Batch) -> tuple[Tensor, LossOf]:
        """Return the logits, and the loss of the learned tokens and of sounds."""
        output, loss_of = super().forward(role, model, batch)
        return output, partial(self._loss, batch, loss_of)

    def _loss(self, batch: Batch, loss_of: LossOf, output: Tensor) -> LossOutputs:
        found = loss_of(output)
        losses_N = ctc_losses(self._at_sounds(batch, output), batch, self.ctc.blank)
        spoken = batch["spoken_lengths"].sum().to(losses_N)
        metric = {CTC: torch.stack([losses_N.detach().sum(), spoken])}
        return replace(found, total=found.total + self.ctc.weight * losses_N.sum()).with_metrics(**metric)

    def _at_sounds(self, batch: Batch, output: Tensor) -> Tensor:
        """Return the logits [S, V] at the positions of all sounds, in order, of the whole vocabulary."""
        sequences, length = batch["tokens"].shape
        row_S, place_S = batch["is_placed"].view(sequences, length).nonzero(as_tuple=True)
        if self.scores_all:
            logits_SV = output[row_S.to(output.device), place_S.to(output.device)]
        else:
            scored_S = scored_tokens(self.is_scored(batch), batch["tokens"])
            wanted_S = (place_S * sequences + row_S).to(scored_S.device)
            logits_SV = output[0][torch.searchsorted(scored_S, wanted_S)]
        found_SV: Tensor = gather_from_tensor_model_parallel_region(logits_SV)
        return found_SV


def ctc_losses(logits_SV: Tensor, batch: Batch, blank: int) -> Tensor:
    """Return the CTC loss of each sound in nats, [N]: 0 without words, and where these do not fit."""
    lengths_N, words_N = batch["sound_lengths"], batch["spoken_lengths"]
    if not len(lengths_N):
        return logits_SV.new_zeros(0, dtype=torch.float32)
    scores_TNV = nn.utils.rnn.pad_sequence(logits_SV.float().log_softmax(-1).split(lengths_N.tolist()))
    losses_N: Tensor = F.ctc_loss(
        scores_TNV, batch["spoken"], lengths_N, words_N, blank=blank, reduction="none", zero_infinity=True
    )
    return losses_N * (words_N > 0).to(losses_N)
