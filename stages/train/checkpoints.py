"""A run's checkpoints in task.work: saved aside, renamed, marked; the newest sound one is where a new attempt goes on.

checkpoints/step-0000100/    weights, AdamW's moments and float32 weights (stages/model/checkpoint.py), and

state.json    step, sequences and whatever else stages/train/progress.py has: how far it is
              identity       the settings and tokenizer that made it
              sources        the data that made it (stages/train/data.py)
              model, vocab_size, dtype, tokenizer_sha256: what stages/model/load.py needs
rng-<rank>.json              generator states; nothing draws from them while there is no dropout
"""

from __future__ import annotations

import base64
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from megatron.core.tensor_parallel import get_cuda_rng_tracker

from stages.model.checkpoint import STATE, read_state, read_tensors, seal, verify, write_tensors
from stages.shared.contract import Task
from stages.shared.errors import DataError
from stages.shared.files import read_json, replace_dir, write_json
from stages.train.config import TrainingConfig
from stages.train.engine import Engine
from stages.train.progress import Progress, read_progress

KEEP = 2
"""Checkpoints kept: one more than needed, for when the newest turns out damaged."""


@dataclass(frozen=True)
class Identity:
    """What a run is, for state.json."""

    config: TrainingConfig
    vocab_size: int
    tokenizer_sha256: str
    sources: Mapping[str, Any]
    """What the data is: stages.train.data.Corpus.identity."""

    def state(self, progress: Progress) -> dict[str, Any]:
        """Return state.json's content at a position."""
        settings = self.config.model_dump(mode="json", include=set(self.config.weights_depend_on))
        return {
            **progress.model_dump(mode="json"),
            "identity": {"stage": self.config.stage, **settings},
            "sources": self.sources,
            "model": self.config.model.model_dump(mode="json"),
            "vocab_size": self.vocab_size,
            "dtype": self.config.dtype,
            "tokenizer_sha256": self.tokenizer_sha256,
        }


def save_checkpoint(task: Task, engine: Engine, identity: Identity, progress: Progress) -> None:
    """Save everything that the next step depends on, and drop old checkpoints. Collective.

    Raises LeaseLost, on any rank, before anything can be seen by others.
    """
    folder = _folder(task) / f"step-{progress.step:07d}"
    aside = folder.with_name(f".{folder.name}.tmp")
    if dist.get_rank() == 0:
        shutil.rmtree(aside, ignore_errors=True)
    dist.barrier()
    write_tensors(engine.state(is_loading=False), aside)
    write_json(aside / f"rng-{dist.get_rank():05d}.json", _rng_state())
    if dist.get_rank() == 0:
        write_json(aside / STATE, identity.state(progress))
    dist.barrier()
    task.check_lease()
    if dist.get_rank() == 0:
        replace_dir(aside, folder)
    dist.barrier()
    seal(folder)
    if dist.get_rank() == 0:
        for old in _steps(_folder(task))[:-KEEP]:
            shutil.rmtree(old)


def save_weights(folder: Path, engine: Engine, identity: Identity, progress: Progress) -> None:
    """Save the weights alone: what others read. Collective."""
    write_tensors(engine.weights(), folder)
    if dist.get_rank() == 0:
        write_json(folder / STATE, identity.state(progress))
    dist.barrier()
    seal(folder)


def resume(task: Task, engine: Engine, identity: Identity) -> Progress:
    """Load the newest sound checkpoint and return its position; the beginning if there is none. Collective.

    One that is incomplete or damaged is named in the log and passed over: a run may have been killed while writing it.
    Raises DataError if a sound one belongs to another run.
    """
    for folder in reversed(_shared_list(_folder(task))):
        try:
            verify(folder)
        except DataError as error:
            if dist.get_rank() == 0:
                print(f"passing over a checkpoint: {error}", file=sys.stderr, flush=True)
            continue
        state = read_state(folder)
        progress = read_progress(state, folder)
        if changed := _changed(state.get("sources", {}), identity.sources):
            remedy = "Put the data back, or give this run its own folder"
            raise DataError(folder, f"a checkpoint of a run on other data: {', '.join(changed)}", remedy)
        if state != identity.state(progress):
            raise DataError(folder, "a checkpoint of another run", "Remove it, or give this run its own folder")
        engine.load(read_tensors(engine.state(is_loading=True), folder))
        _restore_rng(read_json(folder / f"rng-{dist.get_rank():05d}.json"))
        return progress
    return Progress()


def _changed(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    return sorted(name for name in {*then, *now} if then.get(name) != now.get(name))


def _folder(task: Task) -> Path:
    return task.work / "checkpoints"


def _steps(folder: Path) -> list[Path]:
    return sorted(folder.glob("step-*"))


def _shared_list(folder: Path) -> list[Path]:
    """Return rank 0's list of checkpoints on every rank: they must try the same ones in the same order."""
    box = [[path.name for path in _steps(folder)]]
    dist.broadcast_object_list(box, src=0)
    return [folder / name for name in box[0]]


def _rng_state() -> dict[str, Any]:
    states = {"cpu": torch.get_rng_state(), **get_cuda_rng_tracker().get_states()}
    if torch.cuda.is_available():
        states["cuda"] = torch.cuda.get_rng_state()
    return {name: base64.b64encode(state.cpu().numpy().tobytes()).decode() for name, state in states.items()}


def _restore_rng(saved: dict[str, str]) -> None:
    states = {name: torch.frombuffer(bytearray(base64.b64decode(s)), dtype=torch.uint8) for name, s in saved.items()}
    torch.set_rng_state(states.pop("cpu"))
    if "cuda" in states:
        torch.cuda.set_rng_state(states.pop("cuda"))
    get_cuda_rng_tracker().set_states(states)
