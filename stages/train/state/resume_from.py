"""Where a run may begin: at another run's checkpoint. What may differ between the two, and what else is taken over.

The rest of a training goes on as if nothing had happened: its step, its place in the data, AdamW's memory. Only how the
work is split may change.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stages.model.checkpoint.reading import STATE
from stages.model.config import ModelConfig
from stages.shared.errors import DataError
from stages.train.config import TrainingConfig
from stages.train.engines.optimizer import loss_scale

SPLIT = ("layout", "microbatch", "threads", "engine")
"""Settings that only say how the work is split: by them two runs of one training may differ."""
STEP = "step-"
"""How the name of a checkpoint's folder starts; its step follows."""


def step_of(folder: Path) -> int:
    """Return the step of a checkpoint, by its folder's name."""
    return int(folder.name.removeprefix(STEP))


def name_of(step: int) -> str:
    """Return the name of a checkpoint's folder."""
    return f"{STEP}{step:07d}"


def sibling(path: Path, step: int) -> Path:
    """Return the checkpoint of a step beside a checkpoint, or in the folder of all of them."""
    return (path.parent if path.name.startswith(STEP) else path) / name_of(step)


def checkpoints_in(folder: Path) -> list[Path]:
    """Return the checkpoints that a path stands for, in order: those in a folder, or the one that it is.

    Raises DataError if there are none.
    """
    remedy = f"Name a run's work/.../checkpoints, or one {STEP}... in it"
    if folder.name.startswith(STEP):
        found = [folder] if folder.is_dir() else []
    elif (folder / STATE).exists():
        raise DataError(folder, "holds weights alone, not what a training goes on with", remedy)
    else:
        found = sorted(path for path in folder.glob(f"{STEP}*") if path.name.removeprefix(STEP).isdigit())
    if not found:
        raise DataError(folder, f"holds no checkpoint ({STEP}...) of a training", remedy)
    return found


def work_of(checkpoint: Path) -> Path:
    """Return the folder that a run keeps its metrics in, beside the folder of its checkpoints."""
    return checkpoint.parent.parent


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
