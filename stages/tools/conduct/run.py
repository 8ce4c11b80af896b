"""The steps of `tools.conduct`: the index of a search, and the answers to a share of a file of requests."""

from __future__ import annotations

import functools
import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from stages.conductor.artefacts import Artefacts
from stages.conductor.asking import Front
from stages.conductor.conducting import Asked, Conductor
from stages.conductor.expert import performer
from stages.conductor.experts.endpoint import endpoint_expert
from stages.conductor.experts.folder import folder_expert, folder_process
from stages.conductor.experts.tools import tool_expert
from stages.conductor.selection import Entry, read_catalogue
from stages.conductor.services import reached
from stages.conductor.settings import ExpertSettings
from stages.formats.conducted.records import Conducted, conducted_line, read_conducted, write_conducted
from stages.formats.conducted.requests import ToolRequest, read_requests
from stages.formats.documents import read_documents
from stages.formats.kinds import KINDS
from stages.shared.contract import part_of
from stages.shared.errors import DataError
from stages.shared.files import read_json, write_atomic
from stages.shared.task import Task
from stages.teacher.asking import Asker
from stages.teacher.request import Answer, Request
from stages.toolbox.search import make_index, open_index, passages_of
from stages.toolbox.tools import Tool, calculator, calendar, search
from stages.tools.conduct.config import CONTROLLER, ConductConfig

ARTEFACTS = "artefacts"
"""Folder of the files that requests bring and experts make."""
TIMES = "times.jsonl"
"""Seconds of each exchange and task: no part of a record, which is the same in every run."""


def index(task: Task[ConductConfig]) -> dict[str, Any]:
    """Write the index of the passages that a search returns."""
    texts = (document["text"] for file in task.inputs["corpus"] for document in read_documents(file.path))
    passages = list(passages_of(texts, task.config.passage_words))
    make_index(passages).save(task.out / "index")
    return {"passages": len(passages)}


def conduct(task: Task[ConductConfig]) -> dict[str, Any]:
    """Write the records of a share of the requests. Those that are done survive a kill of the job."""
    requests = _share(task)
    artefacts = Artefacts(task.work / ARTEFACTS)
    with ExitStack() as stack:
        conductor = _conductor(task, stack, artefacts)
        pool = stack.enter_context(ThreadPoolExecutor(task.config.at_once))
        stack.callback(pool.shutdown, wait=True, cancel_futures=True)
        answer = functools.partial(_answered, task.work / "records", artefacts, conductor)
        found = list(pool.map(answer, range(len(requests)), requests))
    records = [record for record, _ in found]
    write_conducted(task.out / KINDS.conducted.file, records)
    write_atomic(task.out / TIMES, "".join(json.dumps(times) + "\n" for _, times in found))
    _keep(artefacts, task.out / ARTEFACTS, records)
    return _counts(records)


def _share(task: Task[ConductConfig]) -> list[ToolRequest]:
    (file,) = task.inputs["requests"]
    requests = read_requests(file.path)
    share, shares = part_of(task.unit.rpartition("/")[2])
    return requests[len(requests) * share // shares : len(requests) * (share + 1) // shares]


def _conductor(task: Task[ConductConfig], stack: ExitStack, artefacts: Artefacts) -> Conductor:
    config = task.config
    ask = stack.enter_context(Front(stack.enter_context(Asker(task, reached(task, CONTROLLER, config.controller)))))
    experts = [tool_expert(tool) for tool in _tools(task)]
    listed = [entry for file in task.inputs.get("catalogue", ()) for entry in read_catalogue(file.path)]
    entries = _entries(config.experts, listed)
    folders = {file.source: file.path for file in task.inputs.get("folders", ())}
    fronts: dict[str, Front] = {}
    for name, settings in config.endpoints.items():
        asker = stack.enter_context(Asker(task, reached(task, name, settings), name))
        fronts[name] = stack.enter_context(Front(asker))
    for entry in entries:
        if entry.id in fronts:
            experts.append(endpoint_expert(entry, _asking(fronts[entry.id], entry.id)))
        else:
            process = folder_process(entry.id, entry.task, folders[entry.id], config.timeout_s)
            experts.append(folder_expert(entry, stack.enter_context(process)))
    if config.order != "list":
        experts.sort(key=lambda expert: -int(getattr(expert.entry, config.order)))
    known = {expert.entry.task for expert in experts}
    for name in config.controller_tasks:
        if name not in known:
            own = Entry(CONTROLLER, name, 0, 0, "the controller itself")
            experts.append(endpoint_expert(own, _asking(ask, "expert")))
    return Conductor(ask.ask, experts, performer(artefacts, config.attempts), config.workers)


def _tools(task: Task[ConductConfig]) -> Iterator[Tool]:
    config = task.config
    if "calculator" in config.offline:
        yield calculator()
    if "calendar" in config.offline:
        yield calendar(lambda: config.today)
    if "search" in config.offline:
        yield search(open_index(task.steps["index"][0] / "index"), config.passages)


def _entries(experts: Mapping[str, ExpertSettings], listed: Sequence[Entry]) -> list[Entry]:
    """Return an entry for each task of each expert: the catalogue's in its order, then those that it lacks."""
    wanted = {
        (task, name): Entry(name, task, expert.likes, expert.downloads, expert.description)
        for name, expert in experts.items()
        for task in expert.tasks
    }
    found = {(entry.task, entry.id): entry for entry in listed if (entry.task, entry.id) in wanted}
    return [*found.values(), *(entry for key, entry in wanted.items() if key not in found)]


def _asking(front: Front, prompt: str) -> Callable[[Request], Answer]:
    return functools.partial(front.ask, prompt)


def _answered(
    folder: Path, artefacts: Artefacts, conductor: Conductor, place: int, request: ToolRequest
) -> tuple[Conducted, Mapping[str, Any]]:
    """Return the record of a request and its times; of one that an earlier attempt answered those of then."""
    path, times_path = folder / f"{place:06}.jsonl", folder / f"{place:06}.times.json"
    if not path.exists():
        times: dict[str, float] = {}
        files = {name: artefacts.add(file.data, file.suffix) for name, file in request.files.items()}
        asked = Asked(id=request.id, text=request.text, files=files)
        record = conductor.conduct(asked, times.__setitem__)
        write_atomic(times_path, json.dumps({"id": request.id, "seconds": times}))
        write_atomic(path, conducted_line(record))
    (record,) = read_conducted(path)
    if record.id != request.id:
        raise DataError(path, f"the record of {record.id!r}, not of {request.id!r}", "Remove the work folder")
    return record, read_json(times_path)


def _keep(artefacts: Artefacts, folder: Path, records: Sequence[Conducted]) -> None:
    """Copy the artefacts that records name."""
    folder.mkdir()
    for record in records:
        for name in (*record.files.values(), *(file for each in record.tasks for file in each.result.files)):
            shutil.copyfile(artefacts.path(name), folder / name)


def _counts(records: Sequence[Conducted]) -> dict[str, Any]:
    states = Counter(task.state for record in records for task in record.tasks)
    reasons = Counter(task.result.reason for record in records for task in record.tasks if task.result.reason)
    return {
        "requests": len(records),
        "planned": sum(bool(record.plan) for record in records),
        "repaired": sum(bool(record.repairs) for record in records),
        "tasks": dict(states),
        "reasons": dict(reasons),
    }
