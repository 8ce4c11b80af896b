"""Continuing from the checkpoint of another training: what may differ, and the position to go on from.

Two cases. `continue_from` names any training with the same model and tokenizer. An earlier plan of this very training
(fewer steps, another end of the schedule) is found by itself: its checkpoint has the bytes that this one would have.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from stages.model.checkpoint.names import STATE
from stages.shared.errors import ConfigError, DataError
from stages.train.config import PLANNED, TrainingConfig
from stages.train.engines.optimizer import loss_scale
from stages.train.sections import RampConfig
from stages.train.stability.guard import GuardState
from stages.train.state.names import CHECKPOINTS, STEP, holds_state, step_name
from stages.train.state.progress import Progress

SPLIT = ("layout", "microbatch", "threads", "engine")
"""Settings that only say how the work is split."""
ORDER = ("seed", "mixture", "mixing", "heldout_batches")
"""Settings, besides model.seq_len, that the order of the data depends on."""


def sibling(path: Path, step: int) -> Path:
    """Return the checkpoint of a step beside another one."""
    return path.parent / step_name(step)


def require_checkpoint(folder: Path) -> None:
    """Raise DataError if a folder is no checkpoint with everything that training continues from."""
    if not holds_state(folder) or not folder.is_dir():
        is_weights = (folder / STATE).exists() and not holds_state(folder)
        problem = "holds weights alone" if is_weights else "is no checkpoint of a training"
        remedy = (
            f"Name a folder {STEP}..., or set continue_with to weights" if is_weights else f"Name a folder {STEP}..."
        )
        raise DataError(folder, problem, remedy)


def measurements_of(checkpoint: Path) -> Path:
    """Return the folder that may hold the metrics of a checkpoint's run: its work folder, or that of its outputs."""
    return checkpoint.parent.parent if checkpoint.parent.name == CHECKPOINTS else checkpoint.parent


def is_on_our_way(then: Mapping[str, Any], now: Mapping[str, Any], config: TrainingConfig) -> bool:
    """Return whether a state.json describes a point that our own training passes through, bit for bit.

    Data, start, tokenizer and settings are ours, except a learning rate that differs in later steps alone.
    """
    outside = ("sources", "start", "model", "vocab_size", "dtype", "tokenizer_sha256")
    if any(then.get(name) != now[name] for name in outside) or then["step"] > config.steps:
        return False
    theirs = _settings_of(then, now, config)
    if theirs is None:
        return False
    names = {*config.weights_depend_on()} - {*PLANNED}
    if theirs.model_dump(include=names) != config.model_dump(include=names):
        return False
    ours, other = config.schedule, theirs.schedule
    return ours.ordered_steps == other.ordered_steps and all(
        ours.learning_rate(step) == other.learning_rate(step) and config.is_measured(step) == theirs.is_measured(step)
        for step in range(1, then["step"] + 1)
    )


def _settings_of(then: Mapping[str, Any], now: Mapping[str, Any], config: TrainingConfig) -> TrainingConfig | None:
    """Return our settings with those of a state.json in their place; None if it is of another stage or version."""
    identity = dict(then["identity"])
    if any(identity.pop(name, None) != now["identity"][name] for name in ("stage", "version")):
        return None
    try:
        return type(config).model_validate({**config.model_dump(), "train_tokens": None, **identity})
    except (ConfigError, ValidationError):
        return None


def changes(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return a line for each setting and source that is not what it was, of two state.json."""
    found = [f"{name} {one!r} -> {other!r}" for name, one, other in _differences(then, now, ("identity",))]
    return [*found, *(f"other data: {source}" for source in changed_sources(then, now))]


def position(then: Mapping[str, Any], now: Mapping[str, Any], progress: Progress, config: TrainingConfig) -> Progress:
    """Return the position from which our training continues another's, given the other's.

    The steps are counted on. The data go on behind what was read if their order is the same, else they begin anew; then
    the guard's losses and the best held-out loss compare with nothing of ours and are left behind.
    """
    step, identity = progress.step, then["identity"]
    held_out = identity["heldout_batches"] * identity["global_batch"]
    same = (
        not changed_sources(then, now)
        and all(identity.get(name) == now["identity"].get(name) for name in ORDER)
        and then["model"]["seq_len"] == config.model.seq_len
        and held_out == config.heldout_sequences
    )
    if not same:
        return Progress(step=step, tokens=progress.tokens, feed={"step": step, "sequences": 0, "planned": 0})
    ramp = identity["ramp"] and RampConfig(**identity["ramp"])
    ours = config.schedule
    theirs = replace(ours, global_batch=identity["global_batch"], ramp=ramp, steps=identity["steps"])
    taken, planned = theirs.sequences_taken(step, progress.feed), theirs.sequences(progress.feed).planned
    is_alike = taken == ours.sequences_taken(step, progress.feed) and planned == ours.sequences(progress.feed).planned
    guard = progress.guard if identity["global_batch"] == config.global_batch else GuardState()
    feed = progress.feed if is_alike else {"step": step, "sequences": taken, "planned": planned}
    return progress.model_copy(update={"feed": feed, "guard": guard})


def changed_sources(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return the names of the sources that are not what they were, of two state.json."""
    one, other = then.get("sources", {}), now["sources"]
    return sorted(name for name in {*one, *other} if one.get(name) != other.get(name))


def same_split(then: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Return whether each rank does what it did, of two state.json."""
    return all(then["identity"][name] == now["identity"][name] for name in ("layout", "engine"))


def scale_ratio(then: Mapping[str, Any], config: TrainingConfig) -> float:
    """Return what fp16's scale has to be multiplied by: it is of the sum over a microbatch's labels."""
    theirs = config.model_copy(update={"microbatch": then["identity"]["microbatch"]})
    return loss_scale(config).initial / loss_scale(theirs).initial


def _differences(
    then: Mapping[str, Any], now: Mapping[str, Any], names: tuple[str, ...]
) -> Iterator[tuple[str, Any, Any]]:
    """Yield the dotted name and both values of what differs in parts of two state.json; `identity.` is left out."""
    one, other = (_flat({name: state.get(name) for name in names}, "") for state in (then, now))
    for name in sorted({*one, *other}):
        if one.get(name) != other.get(name):
            yield name.removeprefix("identity."), one.get(name), other.get(name)


def _flat(values: Mapping[str, Any], above: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in values.items():
        found |= _flat(value, f"{above}{name}.") if isinstance(value, dict) and value else {f"{above}{name}": value}
    return found
