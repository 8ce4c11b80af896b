"""The steps of `tools.collect`: the APIs of one file, then all of them without repeats."""

from __future__ import annotations

from collections import Counter
from typing import Any

from stages.formats.calls.apis import Api, read_apis, write_apis
from stages.formats.chat.rejects import Reject, Rejects
from stages.formats.chat.syntheses import synthesis_of_reading, write_synthesis
from stages.formats.kinds import KINDS
from stages.shared.errors import DataError
from stages.shared.task import Task
from stages.tools.collect.config import CollectConfig
from stages.tools.collect.readers import read_apis_of


def read(task: Task[CollectConfig]) -> dict[str, Any]:
    """Write the APIs of a file. Raises DataError for a file that describes none."""
    (file,) = task.inputs["files"]
    rejects, apis = Rejects(), []
    for place, found in read_apis_of(file.path, task.config.read[file.source]):
        if isinstance(found, Reject):
            rejects.add(found, record=place)
        else:
            apis.append(found)
    if not apis:
        remedy = f"Set `read.{file.source}` to the file's format"
        raise DataError(file.path, f"describes no API ({dict(rejects.counts)})", remedy)
    return _written(task, apis, rejects)


def merge(task: Task[CollectConfig]) -> dict[str, Any]:
    """Write the APIs of all files in order; of those with equal calls the first stays."""
    rejects, apis = Rejects(), dict[str, Api]()
    for folder in task.steps["read"]:
        for api in read_apis(folder / KINDS.apis.file):
            if api.api_call in apis:
                rejects.add(Reject("repeated_call", api.api_call))
            else:
                apis[api.api_call] = api
    return _written(task, list(apis.values()), rejects)


def _written(task: Task[CollectConfig], apis: list[Api], rejects: Rejects) -> dict[str, Any]:
    write_apis(task.out / KINDS.apis.file, apis)
    synthesis = synthesis_of_reading("API", len(apis), rejects, Counter())
    write_synthesis(task.out / KINDS.synthesis.file, synthesis)
    return {"apis": len(apis), "rejected": dict(rejects.counts)}
