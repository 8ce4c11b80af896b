"""Resuming from another run's checkpoint: which checkpoint is taken, and what may differ between the two runs.

The training continues with its step, its position in the data and AdamW's state. Only the settings that split the work
may change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stages.model.checkpoint.reading import STATE
from stages.model.config import ModelConfig
from stages.shared.errors import DataError
from stages.train.config import TrainingConfig
from stages.train.engines.optimizer import loss_scale
from stages.train.state.names import CHECKPOINTS, STEP, holds_state, step_name, step_of

SPLIT = ("layout", "microbatch", "threads", "engine")
"""Settings that only say how the work is split: by them two runs of one training may differ."""


def sibling(path: Path, step: int) -> Path:
    """Return the checkpoint of a step beside a checkpoint, or in the folder of all of them."""
    return (path.parent if holds_state(path) else path) / step_name(step)


def checkpoints_among(paths: Sequence[Path]) -> list[Path]:
    """Return the checkpoints that paths stand for, in order of step.

    One path is a checkpoint or a folder of checkpoints. Several paths are the outputs of a section: those that do not
    exist (yet) or hold weights alone are left out.

    Raises DataError if there are none.
    """
    if len(paths) == 1:
        return _checkpoints_in(paths[0])
    found = sorted((path for path in paths if holds_state(path) and path.is_dir()), key=step_of)
    if not found:
        remedy = "Wait for its first checkpoint, or name another run's"
        raise DataError(paths[0].parent, f"holds no checkpoint ({STEP}...) of a training yet", remedy)
    return found


def _checkpoints_in(folder: Path) -> list[Path]:
    remedy = f"Name a folder {STEP}..., which checkpoint_keep_every publishes, or a run's work/.../checkpoints"
    if folder.name.startswith(STEP):
        found = [folder] if folder.is_dir() else []
    elif (folder / STATE).exists():
        raise DataError(folder, "holds weights alone, without the state that training continues from", remedy)
    else:
        found = sorted(filter(holds_state, folder.glob(f"{STEP}*")))
    if not found:
        raise DataError(folder, f"holds no checkpoint ({STEP}...) of a training", remedy)
    return found


def measurements_of(checkpoint: Path) -> Path:
    """Return the folder that may hold the metrics of a checkpoint's run: its work folder, or that of its outputs."""
    return checkpoint.parent.parent if checkpoint.parent.name == CHECKPOINTS else checkpoint.parent


def require_same_training(
    folder: Path, then: Mapping[str, Any], now: Mapping[str, Any], config: TrainingConfig
) -> None:
    """Raise DataError if a checkpoint's state.json is of another training than ours is, or has no step left to do."""
    if changed := changed_sources(then, now):
        remedy = "Put the data back, or give this run its own folder"
        raise DataError(folder, f"a checkpoint of a run on other data: {', '.join(changed)}", remedy)
    theirs, ours = _settings(then), _settings(now)
    found = [
        f"{name} is {theirs.get(name)!r} there, {ours.get(name)!r} here"
        for name in sorted({*theirs, *ours})
        if theirs.get(name) != ours.get(name)
    ]
    if found:
        remedy = f"Set what it has; only {', '.join(SPLIT[:-1])} and {SPLIT[-1]} may differ"
        raise DataError(folder, f"a checkpoint of another training: {'; '.join(found)}", remedy)
    if then["step"] >= config.steps:
        remedy = "Read its final/, or name an earlier checkpoint"
        raise DataError(folder, f"has all {config.steps} steps: none is left to train", remedy)
    rows = [ModelConfig(**now["model"]).num_rows(now["vocab_size"], tp) for tp in (_tp(then), config.layout.tp)]
    if rows[0] != rows[1]:
        remedy = f"Choose a layout.tp that divides {rows[0]}"
        raise DataError(folder, f"has {rows[0]} rows of the vocabulary, layout.tp {config.layout.tp} {rows[1]}", remedy)


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


def _settings(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return what both must have, by dotted name."""
    identity = {name: value for name, value in state.get("identity", {}).items() if name not in SPLIT}
    return _flat({**identity, **{name: state.get(name) for name in ("vocab_size", "tokenizer_sha256")}}, "")


def _flat(values: Mapping[str, Any], above: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in values.items():
        found |= _flat(value, f"{above}{name}.") if isinstance(value, dict) and value else {f"{above}{name}": value}
    return found


def _tp(state: Mapping[str, Any]) -> int:
    return int(state["identity"]["layout"]["tp"])
