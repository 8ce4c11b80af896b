"""Replay of a record: the same code runs again on the replies and results that the record holds, without any model.

Plans are read and repaired again, candidates and choices, arguments and prompts are made again. If one of them is not
what the record holds, the replay says which: the code has changed, or the record was.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from stages.conductor.conducting import Asked, Conductor
from stages.conductor.expert import Call, Expert, Made
from stages.conductor.selection import Entry
from stages.formats.conducted.records import Conducted, Exchange, Performed
from stages.shared.errors import StagecoachError
from stages.teacher.request import Answer, Request


class ReplayError(StagecoachError):
    """A record does not lead to its own answer."""


def replay(record: Conducted) -> Conducted:
    """Return the record that follows from a record's replies and results: an equal one.

    Raises ReplayError, naming the request, if a prompt or a call is none of the record's.
    """
    replies = {
        Request(messages=each.messages, parameters=each.parameters).digest(""): each for each in _exchanges(record)
    }
    results = {each.id: each for each in record.tasks}

    def ask(name: str, request: Request) -> Answer:
        found = replies.get(request.digest(""))
        if found is None:
            raise ReplayError(f"request {record.id!r}: its record has no reply to this prompt: {name}")
        return Answer(text=found.reply, finish=found.finish)  # type: ignore[arg-type]

    def perform(number: int, expert: Expert, texts: Mapping[str, str], files: Mapping[str, str]) -> Performed:
        found = results.get(number)
        if found is None or (found.expert, found.texts, found.files) != (expert.entry.id, texts, files):
            raise ReplayError(f"request {record.id!r}: its record has no such call of task {number}")
        return found.result

    asked = Asked(id=record.id, text=record.text, files=record.files, context=record.context)
    return Conductor(ask, list(_experts(record)), perform, workers=1).conduct(asked)


def _exchanges(record: Conducted) -> Iterator[Exchange]:
    yield record.planning
    yield from (task.choice for task in record.tasks if task.choice)
    yield record.answering


def _experts(record: Conducted) -> Iterator[Expert]:
    """Yield the experts that a record names, and one for each task that was offered and not planned."""
    seen: set[tuple[str, str]] = set()
    for task in record.tasks:
        for each in task.candidates:
            if (task.task, each.id) not in seen:
                seen.add((task.task, each.id))
                yield _expert(each.id, task.task, each.description)
    known = {task.task for task in record.tasks}
    yield from (_expert(f"{name} of the record", name, "") for name in record.offered if name not in known)


def _expert(name: str, task: str, description: str) -> Expert:
    def run(_call: Call) -> Made:
        raise ReplayError(f"{name}: a replay asks no expert")

    entry = Entry(id=name, task=task, likes=0, downloads=0, description=description)
    return Expert(entry=entry, run=run)
