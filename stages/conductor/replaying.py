"""Replay of a record: the same code runs again on the replies and results that the record holds, without any model.

Plans are read and repaired again, candidates and choices, arguments and prompts are made again. If one of them is not
what the record holds, the replay says which: the code has changed, or the record was.

    python -m stages.conductor.replaying conducted.jsonl ...
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from stages.conductor.conducting import Asked, Conductor
from stages.conductor.expert import Call, Expert, Made
from stages.conductor.selection import Entry
from stages.formats.conducted.records import Conducted, Exchange, Performed, conducted_line, read_conducted
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
    """Yield the experts that a record names, and one for each task that was offered and not begun."""
    seen: set[tuple[str, str]] = set()
    for task in record.tasks:
        for each in task.candidates:
            if (task.task, each.id) not in seen:
                seen.add((task.task, each.id))
                yield _expert(each.id, task.task, each.description)
    known = {task for task, _ in seen}
    yield from (_expert(f"{name} of the record", name, "") for name in record.offered if name not in known)


def _expert(name: str, task: str, description: str) -> Expert:
    def run(_call: Call) -> Made:
        raise ReplayError(f"{name}: a replay asks no expert")

    entry = Entry(id=name, task=task, likes=0, downloads=0, description=description)
    return Expert(entry=entry, run=run)


def main(paths: Sequence[str]) -> int:
    """Replay the records of files, and print how many lead to their own answers. Returns the exit status."""
    records = [record for path in paths for record in read_conducted(Path(path))]
    failed = 0
    for record in records:
        try:
            is_same = conducted_line(replay(record)) == conducted_line(record)
            problem = "" if is_same else f"request {record.id!r}: another answer"
        except ReplayError as error:
            problem = str(error)
        failed += bool(problem)
        if problem:
            print(problem, file=sys.stderr)
    print(f"{len(records) - failed} of {len(records)} records replay to the same bytes")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
