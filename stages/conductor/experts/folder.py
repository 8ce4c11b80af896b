"""Experts that are models in transformers folders: classifiers of texts, of words and of pictures.

A model runs in a process of its own (stages/conductor/experts/pipeline.py): its death costs one attempt.
"""

from __future__ import annotations

import sys
from pathlib import Path

from stages.conductor.expert import Call, Expert, Made
from stages.conductor.experts.process import ExpertProcess
from stages.conductor.selection import Entry
from stages.shared.errors import DataError


def folder_process(name: str, task: str, folder: Path, timeout_s: float) -> ExpertProcess:
    """Return the process of a model that does one of FOLDER_TASKS (stages/conductor/settings.py).

    Raises DataError for a folder without safetensors: pickles are not loaded.
    """
    if not (folder / "config.json").is_file() or not any(folder.glob("*.safetensors")):
        raise DataError(folder, "no config.json with safetensors", "Save the model with save_pretrained")
    command = [sys.executable, "-m", "stages.conductor.experts.pipeline", task, str(folder)]
    return ExpertProcess(name, command, timeout_s)


def folder_expert(entry: Entry, process: ExpertProcess) -> Expert:
    """Return the expert of a model's process."""
    is_picture = entry.task == "image-classification"

    def run(call: Call) -> Made:
        request = {"image": str(call.file("image"))} if is_picture else {"text": call.text("text")}
        return Made(text=str(process.call(request)["text"]))

    return Expert(entry=entry, run=run)
