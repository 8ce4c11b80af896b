"""Measures a reward model on held-out comparisons, and shifts its scores so that demonstrations have the mean 0.

Runs on the ranks of the training, through the forward pass of the training.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch.distributed as dist
from megatron.core import parallel_state
from torch import Tensor

from stages.align.encode import DEMONSTRATIONS
from stages.align.reward.config import RewardConfig
from stages.align.reward.figures import (
    Scored,
    ScoredPairs,
    by_distance,
    calibration_error,
    length_correlation,
    reliability,
    share,
)
from stages.align.sources import heldout_sources
from stages.formats.chat.reward_reports import RewardReport, write_reward_report
from stages.formats.kinds import KINDS
from stages.formats.tokenizer import Tokenizer
from stages.model.checkpoint.copying import copy_weights
from stages.model.checkpoint.measured import write_measured
from stages.model.checkpoint.saving import gather
from stages.model.checkpoint.settings import RewardScale
from stages.shared.task import Task
from stages.train.config import TrainingConfig
from stages.train.data.batches import microbatches
from stages.train.data.comparisons import ComparedSamples
from stages.train.data.corpus import SourceDataset
from stages.train.engines.frozen import FrozenModel
from stages.train.loop import joined
from stages.train.objectives.base import Batch, ColumnsOf, Model, Role
from stages.train.objectives.pairs import pair_columns, run_apart
from stages.train.objectives.ranking import last_scores
from stages.train.state.names import FINAL, UNTRAINED

Rows = dict[str, list[Scored]]
"""Scored rows by source."""


def run(task: Task[RewardConfig]) -> dict[str, Any]:
    """Write the measurements and the final checkpoint with the scale of its scores into task.out.

    Returns the numbers of the report on rank 0.
    """
    (trained,), (packed,) = task.steps[task.config.step], task.steps["pack"]
    sources = heldout_sources(task)
    demonstrations = SourceDataset("demonstrations", packed / DEMONSTRATIONS)
    with joined(task):
        final = _Scorer(task, trained / FINAL)
        heldout = {source.name: final.score(source) for source in sources}
        shown = final.score(demonstrations)
        start = _Scorer(task, trained / UNTRAINED)
        before = {source.name: start.score(source) for source in sources}
        if dist.get_rank() != 0:
            return {}
        report = _report(heldout, before, shown)
        write_reward_report(task.out / KINDS.reward.file, report)
        scale = RewardScale(shift=report.shift, end_of_context=task.config.end_of_context or "")
        write_measured(trained / FINAL, task.out / FINAL, scale)
    return {"pairs": report.all.pairs, "accuracy": round(report.all.accuracy, 4), "shift": round(report.shift, 4)}


def _report(heldout: Rows, before: Rows, shown: Sequence[Scored]) -> RewardReport:
    rows, untrained = ([row for found in each.values() for row in found] for each in (heldout, before))
    pairs = ScoredPairs.of(rows)
    scores_N = np.concatenate([np.zeros(0), *(row.scores for row in rows)])
    shown_N = np.concatenate([np.zeros(0), *(row.scores for row in shown)])
    shift = float(shown_N.mean()) if len(shown_N) else 0.0
    bins = reliability(pairs.gaps)
    return RewardReport(
        shift=shift,
        demonstrations=len(shown_N),
        mean=float(scores_N.mean()) - shift if len(scores_N) else 0.0,
        deviation=float(scores_N.std()) if len(scores_N) else 0.0,
        all=share(pairs.gaps),
        untrained=share(ScoredPairs.of(untrained).gaps),
        longer=share(pairs.lengths),
        sources={name: share(ScoredPairs.of(found).gaps) for name, found in heldout.items() if found},
        distances=by_distance(pairs),
        bins=bins,
        calibration_error=calibration_error(bins),
        length_correlation=length_correlation(rows),
    )


class _Scorer:
    """A checkpoint in the layout of the training."""

    def __init__(self, task: Task[RewardConfig], checkpoint: Path) -> None:
        config, tokenizer = task.config, Tokenizer(task.inputs["tokenizer"][0].path)
        weights = partial(copy_weights, config=config.model, folder=checkpoint, tokenizer=tokenizer, seed=config.seed)
        role = Role(config=config.model, set_weights=weights, frozen=("*",))
        self._config: TrainingConfig = config
        self._model = FrozenModel(config, role, tokenizer.vocab_size, rows=1)

    def score(self, dataset: SourceDataset) -> list[Scored]:
        """Return the scored rows of a dataset on rank 0, elsewhere none. Collective."""
        samples = ComparedSamples(dataset, self._config.model.seq_len)
        if not len(samples):
            return []
        share_of_step = self._config.microbatch * self._config.layout.dp
        count = -(-len(samples) // share_of_step)
        padded = [min(number, len(samples) - 1) for number in range(count * share_of_step)]
        batches = microbatches(
            _Chosen(samples, padded),
            pair_columns(self._config.model.seq_len),
            self._config.microbatch,
            self._config.layout.dp,
        )
        made = self._model.annotate(_annotate, batches, count)
        own = [score for batch in made for score in batch["scores"].tolist()] if _has_scores() else None
        place = parallel_state.get_data_parallel_rank()
        parts = sorted((place, scores) for place, scores in gather((place, own)) if scores is not None)
        scores = iter(score for _, part in parts for score in part)
        return [_scored(samples, number, scores) for number in range(len(samples))] if dist.get_rank() == 0 else []


class _Chosen(Sequence[Batch]):
    """Samples by their numbers."""

    def __init__(self, samples: ComparedSamples, numbers: Sequence[int]) -> None:
        self._samples, self._numbers = samples, numbers

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, place: Any) -> Any:
        return self._samples[self._numbers[place]]


def _has_scores() -> bool:
    """Return whether this rank's scores count: of tensor parallel ranks, which have equal ones, the first."""
    is_last: bool = parallel_state.is_pipeline_last_stage()
    return is_last and parallel_state.get_tensor_model_parallel_rank() == 0


def _annotate(batches: Iterator[Batch], model: Model) -> tuple[Tensor, ColumnsOf]:
    batch = next(batches)
    return run_apart(model, batch), lambda scores_BT1: {"scores": last_scores(batch, scores_BT1)}


def _scored(samples: ComparedSamples, number: int, scores: Iterator[float]) -> Scored:
    """Return a row with its scores, taken from all rows' scores in order: one a response, and one of the padding."""
    lengths = samples.rows.row(number).lengths
    found = Scored(
        ranks=samples.rows.ranks(number),
        lengths=lengths.astype(np.int64),
        scores=np.array([next(scores) for _ in lengths]),
    )
    if lengths.sum() < samples.length:
        next(scores)
    return found
