"""Plans of HuggingGPT: tasks with dependencies, read strictly, repaired with the reasons kept (arXiv:2303.17580).

    [{"task": "image-to-text", "id": 0, "dep": [-1], "args": {"image": "a.jpg"}}, ...]

An argument `<GENERATED>-0` is the result of task 0. Every plan that is returned can run: dependencies exist, and come
before their tasks.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from stages.formats.calls.scan import Brackets
from stages.formats.calls.tool_calls import parse_object
from stages.formats.chat.rejects import Reject

PAPER_TASKS = frozenset(
    (
        *("token-classification", "text2text-generation", "summarization", "translation", "question-answering"),
        *("conversational", "text-generation", "sentence-similarity", "tabular-classification", "object-detection"),
        *("image-classification", "image-to-image", "image-to-text", "text-to-image", "text-to-video"),
        *("visual-question-answering", "document-question-answering", "image-segmentation", "depth-estimation"),
        *("text-to-speech", "automatic-speech-recognition", "audio-to-audio", "audio-classification"),
        *("canny-control", "hed-control", "mlsd-control", "normal-control", "openpose-control"),
        *("canny-text-to-image", "depth-text-to-image", "hed-text-to-image", "mlsd-text-to-image"),
        *("normal-text-to-image", "openpose-text-to-image", "seg-text-to-image"),
    )
)
"""The 35 tasks of the paper's prompt."""
OWN_TASKS = frozenset(("calculator", "calendar", "search", "text-classification"))
"""Tasks that experts of this project do besides; the paper's catalogue has models of the last one."""
TASKS = PAPER_TASKS | OWN_TASKS
REFERENCE = re.compile(r"<GENERATED(?:>-(\d{1,6})|-(\d{1,6})>)")
"""A result of a task within an argument."""
FILE_ARGUMENTS = frozenset(("image", "audio", "video", "document"))
"""Arguments that are files; all others are texts."""
MAX_TASKS, MAX_ARGUMENTS, MAX_ARGUMENT = 100, 20, 20_000
"""Tasks of a plan, arguments of a task, and characters of an argument."""
MAX_STARTS = 1_000


@dataclass(frozen=True, kw_only=True)
class PlannedTask:
    """One task of a plan."""

    id: int
    task: str
    dep: tuple[int, ...]
    """Ids of the tasks whose results it needs, in order; empty: none."""
    args: Mapping[str, str]


@dataclass(frozen=True)
class Plan:
    """The tasks that can run, in the order of the plan."""

    tasks: tuple[PlannedTask, ...]
    repairs: tuple[str, ...] = ()
    """What was repaired or left out, for people."""

    def levels(self) -> list[list[PlannedTask]]:
        """Return the tasks in rounds: those of a round need results of earlier rounds alone."""
        level: dict[int, int] = {}
        rounds: list[list[PlannedTask]] = []
        for task in sorted(self.tasks, key=lambda task: task.id):
            level[task.id] = 1 + max((level[each] for each in task.dep), default=-1)
            rounds += [[]] * (level[task.id] + 1 - len(rounds))
            rounds[level[task.id]] = [*rounds[level[task.id]], task]
        return rounds


def parse_plan(reply: str) -> Plan:
    """Return the plan of a model's reply: an empty one if the reply holds no task. Never raises."""
    records, repairs = _records(reply)
    drafts: list[PlannedTask] = []
    for record in records[:MAX_TASKS]:
        try:
            drafts.append(_task(record, {each.id for each in drafts}))
        except Reject as reject:
            repairs.append(f"{reject.reason}: {reject.detail}")
    if len(records) > MAX_TASKS:
        repairs.append(f"{len(records) - MAX_TASKS} tasks beyond {MAX_TASKS} left out")
    return _checked(_unfolded(drafts, repairs), repairs)


def _records(reply: str) -> tuple[list[Mapping[str, Any]], list[str]]:
    """Return the objects of a reply, and what was repaired to read them."""
    try:
        value = json.loads(reply)
    except (ValueError, RecursionError):
        found = list(objects_in(reply))
        return found, [f"not JSON: {len(found)} objects cut out"] if reply.strip() else []
    if isinstance(value, dict):
        return [value], ["an object in place of a list"]
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else [], [
            "no list of tasks"
        ]
    return value, []


def objects_in(text: str) -> Iterator[Mapping[str, Any]]:
    """Yield the outermost JSON objects of a text in order. Brackets that close nothing are skipped.

    Gives up after MAX_STARTS brackets: each may be followed to the end of the text.
    """
    at = text.find("{")
    for _ in range(MAX_STARTS):
        if at < 0:
            return
        brackets = Brackets()
        end = brackets.feed(text, at)
        if end is None:
            at = text.find("{", at + 1)
            continue
        try:
            yield parse_object(text[at:end])
        except Reject:
            end = at + 1
        at = text.find("{", end)


def _task(record: Mapping[str, Any], known: set[int]) -> PlannedTask:
    """Return the task of a record; its dependencies are those of its arguments and those that it states."""
    name, number, args = record.get("task"), record.get("id"), record.get("args")
    if name not in TASKS:
        raise Reject("unknown task", repr(name))
    if not isinstance(number, int) or isinstance(number, bool) or number < 0 or number in known:
        raise Reject("bad id", f"{number!r} of {name}")
    if not isinstance(args, dict):
        raise Reject("bad args", f"{args!r} of task {number}")
    texts = {str(key): value if isinstance(value, str) else json.dumps(value) for key, value in args.items()}
    longest = max(map(len, (*texts, *texts.values())), default=0)
    if longest > MAX_ARGUMENT or len(texts) > MAX_ARGUMENTS:
        raise Reject("bad args", f"{len(texts)} of up to {longest} characters, of task {number}")
    stated = record.get("dep")
    listed = [each for each in stated if type(each) is int and each >= 0] if isinstance(stated, list) else []
    return PlannedTask(id=number, task=str(name), dep=tuple(listed), args=texts)


def references(text: str) -> list[int]:
    """Return the ids of the tasks whose results a text names, in order, each once."""
    return list(dict.fromkeys(int(found[1] or found[2]) for found in REFERENCE.finditer(text)))


def _unfolded(tasks: Sequence[PlannedTask], repairs: list[str]) -> list[PlannedTask]:
    """Return the tasks, one for each result where an argument lists several with commas, each with its own id."""
    free = max((task.id for task in tasks), default=-1) + 1
    found: list[PlannedTask] = []
    for task in tasks:
        listed = next((name for name, text in task.args.items() if _is_list(text)), None)
        if listed is None:
            found.append(task)
            continue
        parts = [part.strip() for part in task.args[listed].split(",")]
        if len(tasks) + len(parts) > MAX_TASKS:
            repairs.append(f"task {task.id}: {len(parts)} results would make more than {MAX_TASKS} tasks")
            continue
        ids = [task.id, *range(free, free + len(parts) - 1)]
        free += len(parts) - 1
        repairs.append(f"task {task.id} unfolded to {', '.join(map(str, ids))}")
        found += [
            replace(task, id=number, dep=(), args={**task.args, listed: part})
            for number, part in zip(ids, parts, strict=True)
        ]
    return found


def _is_list(text: str) -> bool:
    parts = [part.strip() for part in text.split(",")]
    return len(parts) > 1 and all(REFERENCE.fullmatch(part) for part in parts)


def _checked(tasks: Sequence[PlannedTask], repairs: list[str]) -> Plan:
    """Return the plan of tasks whose dependencies exist and have smaller ids.

    References in arguments count before what `dep` states. A task that needs a missing one is left out; a dependency on
    itself or on a later task is dropped, as in the paper's code. Both are reported.
    """
    known = {task.id for task in tasks}
    usable = set(known)
    found: list[PlannedTask] = []
    for task in sorted(tasks, key=lambda task: task.id):
        named = [each for text in task.args.values() for each in references(text)]
        wanted = sorted(set(named or task.dep))
        missing = [each for each in wanted if each not in usable]
        late = [each for each in wanted if each in known and each >= task.id]
        repairs += [f"task {task.id}: no such task {each}" for each in missing]
        repairs += [f"task {task.id}: task {each} does not come before it" for each in late]
        if missing:
            usable.discard(task.id)
        else:
            found.append(replace(task, dep=tuple(each for each in wanted if each < task.id)))
    return Plan(tuple(found), tuple(repairs))
