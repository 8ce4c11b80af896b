"""A reward model's checkpoint with the scale of its scores: the files of the trained one, and another state.json."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from pathlib import Path

from stages.model.checkpoint.names import COMPLETE, STATE
from stages.model.checkpoint.reading import describe
from stages.model.checkpoint.settings import REWARD, RewardScale, read_state
from stages.shared.files import link, read_json, write_json


def write_measured(checkpoint: Path, folder: Path, scale: RewardScale) -> None:
    """Write a checkpoint with a scale into a new folder. Files of weights are shared with the one that it is made of.

    The mark of completion is written last.
    """
    own = (STATE, COMPLETE)
    shutil.copytree(checkpoint, folder, copy_function=link, ignore=shutil.ignore_patterns(*own))
    write_json(folder / STATE, {**read_state(checkpoint), REWARD: asdict(scale)})
    files = read_json(checkpoint / COMPLETE)["files"] | {STATE: describe(folder / STATE)}
    write_json(folder / COMPLETE, {"files": files})
