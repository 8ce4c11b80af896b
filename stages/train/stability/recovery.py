"""Recovery from a bad batch: it is left out, and if that is not enough a checkpoint's weights are restored."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from stages.shared.errors import DataError
from stages.train.models import Models
from stages.train.objectives.base import Batch
from stages.train.sections import GuardConfig
from stages.train.stability.guard import GuardState, Trouble
from stages.train.stability.tracing import find_not_finite
from stages.train.state.checkpoints import Checkpoints

Rerun = Callable[[Callable[[Iterator[Batch]], Iterator[Batch]]], object]
"""Runs the step's microbatches forward and back once more, each through a function that looks at it."""


def recover(
    trouble: Trouble, config: GuardConfig, state: GuardState, models: Models, checkpoints: Checkpoints, rerun: Rerun
) -> tuple[Trouble, GuardState]:
    """Leave a batch out; return what was found and done, and the guard's state. After `gradient_norm`. Collective.

    Of numbers that are not finite the origin is found. With rollback, a spike takes back the weights and the optimizer
    of the newest checkpoint of a multiple of rollback_every steps; not of one that a stop left, for when a run was
    stopped must not change its weights. Other than in arXiv:2204.02311, section 5.1, no steps are added for those that
    are lost: the data ends where it would have, and a run takes as long as was planned.

    Raises DataError, on every rank, if a weight is not finite and there is nothing to go back to.
    """
    models.drop()
    is_ruined = False
    if trouble.kind == "not finite":
        found = find_not_finite(models.chunks, rerun)
        models.drop()
        is_ruined = found is not None and found.in_weights
        trouble = trouble.with_cause(found.what if found else "once more, all was finite; look for a faulty device")
    if config.on_spike == "rollback" and (is_ruined or trouble.kind == "spike"):
        back = checkpoints.resume(every=config.rollback_every)
        if back.step:
            return trouble.with_rollback(back.step), GuardState(losses=back.guard.losses, bad=state.bad + 1)
    if is_ruined:
        remedy = f"No batch mends that. Run again to continue from {checkpoints.newest or 'the start'}"
        raise DataError("weights", trouble.why, f"{remedy}; with guard.on_spike rollback a run does so by itself")
    return trouble, state.after_bad()


def end_if_too_many(config: GuardConfig, state: GuardState, step: int, trouble: Trouble) -> None:
    """Raise DataError if more batches in a row were left out than may be."""
    if state.bad > config.most:
        problem = f"{state.bad} batches in a row were left out; of the last one, {trouble.why}"
        remedy = "metrics.jsonl names their sequences. If the data is fine, training is unstable: lower lr"
        raise DataError("guard.most", problem, remedy, record=f"step {step}")
