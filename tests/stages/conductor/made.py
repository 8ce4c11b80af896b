"""Small experts, controllers and plans for tests of the conductor."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from stages.conductor.conducting import Ask, Conductor
from stages.conductor.expert import Call, Expert, Made, perform
from stages.conductor.selection import Entry
from stages.formats.conducted.records import Performed
from stages.teacher.request import Answer, Request


def expert(task: str, run: Callable[[Call], str | Made], name: str = "") -> Expert:
    """Return an expert of a task that returns a text or more."""

    def made(call: Call) -> Made:
        found = run(call)
        return found if isinstance(found, Made) else Made(text=found)

    return Expert(entry=Entry(name or f"x/{task}", task, 0, 0, f"does {task}"), run=made)


def plan(*tasks: Mapping[str, Any]) -> str:
    """Return the JSON of a plan: ids from 0, no dependencies stated."""
    return json.dumps([{"id": place, "dep": [-1], "args": {}, **task} for place, task in enumerate(tasks)])


def controller(planned: str, answer: str = "Here you are.", choice: str = "{}") -> Ask:
    """Return a controller with these replies."""
    replies = {"plan": planned, "answer": answer, "choose": choice}

    def ask(name: str, _request: Request) -> Answer:
        return Answer(text=replies[name], finish="stop")

    return ask


def conductor(ask: Ask, *experts: Expert, attempts: int = 1, workers: int = 4) -> Conductor:
    """Return a conductor whose experts see no files."""

    def have_done(_number: int, each: Expert, texts: Mapping[str, str], _files: Mapping[str, str]) -> Performed:
        return perform(each, Call(texts=texts), lambda data, suffix: f"{len(data)}.{suffix}", attempts)

    return Conductor(ask, experts, have_done, workers)
