"""The steps of `align.label`: the candidates to show, and the labels of all labellers with their agreement."""

from __future__ import annotations

from typing import Any

from stages.align.label.agreement import agreement, latest
from stages.align.label.config import LabelConfig
from stages.formats.chat.agreements import write_agreement
from stages.formats.kinds import KINDS
from stages.formats.preferences import read_candidates, read_preferences, write_candidates, write_preferences
from stages.shared.errors import DataError
from stages.shared.task import Task


def collect(task: Task[LabelConfig]) -> dict[str, Any]:
    """Write all candidates in one file, each once. Raises DataError if there are none."""
    files = task.inputs["candidates"]
    found = [each for file in files for each in read_candidates(file.path)]
    if not found:
        raise DataError(files[0].path, "no candidates", "Add a prompt with two responses")
    different = {each.key: each for each in found}
    write_candidates(task.out / KINDS.candidates.file, different.values())
    return {"candidates": len(different), "repeated": len(found) - len(different)}


def agree(task: Task[LabelConfig]) -> dict[str, Any]:
    """Write the last label of each labeller and item as preferences, and how far labellers agree.

    Raises DataError if there are none.
    """
    files = task.inputs["labels"]
    labels = latest(each for file in files for each in read_preferences(file.path))
    if not labels:
        raise DataError(files[0].path, "no labels", "Label some prompts: `launch.py label RUN`")
    write_preferences(task.out / KINDS.preferences.file, labels)
    found = agreement(labels)
    write_agreement(task.out / KINDS.agreement.file, found)
    return {"labels": len(labels), "labellers": len(found.labellers), "alpha": found.ordinal}
