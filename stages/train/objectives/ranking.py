"""Ranking of compared responses: the objective of a reward model (arXiv:2203.02155, section 3.5; arXiv:2204.05862)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from torch import Tensor

from stages.train.config import TrainingConfig
from stages.train.objectives.base import Batch, LossOf, LossOutputs, Model, Objective, Role, SetWeights
from stages.train.objectives.pairs import Pairs, ends_of, metric_names, pair_columns, ranking_losses, run_apart


class RankResponses(Objective):
    """Scores each response at its last token, and the better one of each pair above the worse one.

    The loss is the mean over a prompt's pairs, then over prompts, whatever their number of responses.
    """

    def __init__(
        self,
        config: TrainingConfig,
        set_weights: SetWeights | None = None,
        sources: Sequence[str] = ("",),
        frozen: tuple[str, ...] = (),
    ) -> None:
        """Train `config.model`, which has a scalar head. `sources` names the sources of the rows by their numbers.

        `frozen` are patterns of the names of weights that are not trained: see Role.
        """
        super().__init__(
            columns=pair_columns(config.model.seq_len),
            roles={"reward": Role(config=config.model, set_weights=set_weights, frozen=frozen)},
            metrics=metric_names(sources),
        )
        self.sources = sources

    def forward(self, role: str, model: Model, batch: Batch) -> tuple[Tensor, LossOf]:
        """Return the scores of all tokens, and the loss of the pairs."""
        return run_apart(model, batch), partial(self._loss, batch)

    def _loss(self, batch: Batch, scores_BT1: Tensor) -> LossOutputs:
        pairs, scores_N = Pairs.of(batch), last_scores(batch, scores_BT1)
        gaps_P = scores_N[pairs.better] - scores_N[pairs.worse]
        return pairs.loss(ranking_losses(gaps_P), gaps_P, self.sources)


def last_scores(batch: Batch, scores_BT1: Tensor) -> Tensor:
    """Return the score of each example, [N]: that of its last token by position, whatever token that is."""
    return scores_BT1.flatten()[ends_of(batch).to(scores_BT1.device)]
