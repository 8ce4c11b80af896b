"""The packed sources of a training on compared responses."""

from __future__ import annotations

from stages.align.comparisons import HELD_OUT_IN, ComparisonStage
from stages.chats.encoded import rows_name
from stages.shared.task import Task
from stages.train.data.corpus import SourceDataset


def source_names(task: Task[ComparisonStage]) -> list[str]:
    """Return the names of the sources; a row has the number of its source in this order."""
    return [*dict.fromkeys(file.source for file in task.inputs["preferences"])]


def heldout_sources(task: Task[ComparisonStage]) -> list[SourceDataset]:
    """Return the held-out rows of each source, those of files that are held out whole included."""
    (folder,) = task.steps["pack"]
    names = dict.fromkeys(file.source for field in HELD_OUT_IN for file in task.inputs.get(field, ()))
    return [SourceDataset(name, folder / rows_name(name, is_heldout=True)) for name in names]
