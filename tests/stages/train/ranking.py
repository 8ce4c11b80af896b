"""A ranking objective, as a further stage would write it: what proves the training contract.

A scalar head scores two texts; the better one should get the higher score, by a margin that a frozen reference model
sets. The texts come from a feed that walks through the pairs and remembers where it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from megatron.core import parallel_state
from torch import Tensor
from torch.utils.data import Dataset

from stages.formats.tokenizer import Tokenizer
from stages.model.decoder import initialise
from stages.model.layers.cross_entropy import cross_entropy
from stages.shared.task import Task
from stages.train.data.datasets import TrainingData
from stages.train.data.feed import FeedState
from stages.train.loop import train
from stages.train.models import Models
from stages.train.objectives.base import Batch, Column, ColumnsOf, LossOf, LossOutputs, Model, Objective, Role
from tests.stages.train.ranking_config import RankingConfig

# Shape suffixes: B = pairs of a microbatch, 2 = the better text and the worse one, R = 2 x B, T = tokens of a text.

PAIRS = 96


class Ranking(Objective):
    """Scores the better text above the worse one (arXiv:2203.02155, section 3.5, with a margin)."""

    def __init__(self, config: RankingConfig) -> None:
        length = config.model.seq_len
        plain = config.model.model_copy(update={"head": "lm"})
        reference = Role(config=plain, set_weights=partial(initialise, config=plain, seed=99), frozen=("*",))
        super().__init__(
            columns={
                "texts": Column((2, length), padding=0),
                "lengths": Column((2,)),
                "margin": Column((), torch.float32),
            },
            roles={"reference": reference, "reward": Role(config=config.model, frozen=config.frozen)},
            metrics=("accuracy", "surprise"),
            rows=2,
        )

    def annotate(self, role: str, model: Model, batch: Batch) -> tuple[Tensor, ColumnsOf]:
        """Return the reference's surprise at each text, in nats a token."""
        texts_RT = batch["texts"].flatten(0, 1)

        def surprise(logits_RTV: Tensor) -> Batch:
            group = parallel_state.get_tensor_model_parallel_group()
            losses_TR = cross_entropy(logits_RTV.transpose(0, 1), texts_RT.roll(-1, 1).t(), group)
            return {"surprise": losses_TR[:-1].mean(0).view(-1, 2)}

        return model(texts_RT, _positions(texts_RT)), surprise

    def forward(self, role: str, model: Model, batch: Batch) -> tuple[Tensor, LossOf]:
        """Return the scores, and the loss of the pairs."""
        texts_RT = batch["texts"].flatten(0, 1)
        return model(texts_RT, _positions(texts_RT)), partial(self._loss, batch)

    def _loss(self, batch: Batch, scores_RT1: Tensor) -> LossOutputs:
        last_R = batch["lengths"].flatten() - 1
        scores_B2 = scores_RT1[..., 0].gather(1, last_R[:, None]).view(-1, 2)
        gap_B = scores_B2[:, 0] - scores_B2[:, 1]
        margin_B = batch["margin"] + 0.1 * (batch["surprise"][:, 1] - batch["surprise"][:, 0])
        count = torch.tensor(float(len(gap_B)), device=gap_B.device)
        metrics = {
            "accuracy": torch.stack([(gap_B > 0).float().sum(), count]),
            "surprise": torch.stack([batch["surprise"].sum(), 2 * count]),
        }
        return LossOutputs(-F.logsigmoid(gap_B - margin_B).sum(), count, metrics)


def _positions(texts_RT: Tensor) -> Tensor:
    return torch.arange(texts_RT.size(1), device=texts_RT.device).expand_as(texts_RT)


class Pairs(Dataset[Batch]):
    """Pairs of texts of unequal lengths: the better one is written with other tokens."""

    def __init__(self, length: int) -> None:
        self.length = length

    def __getitem__(self, number: int) -> Batch:
        draw = torch.Generator().manual_seed(number)
        size = int(torch.randint(self.length // 2, self.length, (), generator=draw))
        better, worse = (torch.randint(first, first + 8, (size,), generator=draw) for first in (20, 40))
        return {
            "texts": torch.stack([better, worse]),
            "lengths": torch.tensor([size, size]),
            "margin": torch.rand((), generator=draw),
        }


class Walk:
    """Walks through the pairs: each step starts where a jump from the last one lands."""

    def __init__(self, pairs: Pairs, batch: int) -> None:
        self.pairs, self.batch = pairs, batch

    def take(self, step: int, state: FeedState, _models: Models, /) -> tuple[Sequence[Batch], FeedState]:
        """Return the pairs of a step, and where the next one starts."""
        place: int = state.get("place", 7)
        samples = [self.pairs[(place + number) % PAIRS] for number in range(self.batch)]
        return samples, {"place": (5 * place + step) % PAIRS, "jumps": state.get("jumps", 0) + 1}


def run(task: Task[RankingConfig]) -> dict[str, Any]:
    """Train, and return the summary."""
    config = task.config
    tokenizer = Tokenizer(task.inputs["tokenizer"][0].path)
    pairs = Pairs(config.model.seq_len)

    def open_pairs(_work: Path) -> TrainingData:
        return TrainingData(feed=Walk(pairs, config.global_batch), heldout=pairs if config.heldout_every else None)

    return train(task, Ranking(config), tokenizer, open_pairs)
