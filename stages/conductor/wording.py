"""Prompts of a controller: for the plan, the choice of an expert, and the answer.

Their texts stand in `templates/prompts/conductor`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from stages.conductor.plans import PlannedTask
from stages.conductor.selection import Entry
from stages.formats.conducted.records import Delegated
from stages.teacher.rendering import render
from stages.teacher.request import Request

PROMPTS = Path(__file__).resolve().parents[2] / "templates" / "prompts" / "conductor" / "en.yaml"
CONTEXT_CHARS = 8_000
"""Characters of earlier messages in a prompt; older ones are left out. The paper leaves 800 tokens of the window free,
and no endpoint says which tokens it has."""
SHOWN_RESULT = 2_000
"""Characters of a result in the prompt of the answer."""
Message = Mapping[str, Any]


@lru_cache(maxsize=1)
def _prompts() -> Mapping[str, Any]:
    prompts: Mapping[str, Any] = yaml.safe_load(PROMPTS.read_bytes())
    return prompts


def plan_request(text: str, files: Iterable[str], offered: Sequence[str], context: Sequence[Message]) -> Request:
    """Return the request for a plan, with the examples whose tasks are all offered."""
    prompt, about = _prompts()["plan"], _prompts()["tasks"]
    tasks = [{"name": name, "about": about.get(name, {}).get("about", name)} for name in offered]
    shown: list[Message] = []
    for example in prompt["examples"]:
        if set(example["needs"]) <= set(offered):
            asked = render(prompt["user"], request=example["request"], files=example["files"])
            shown += [_message("user", asked), _message("assistant", example["plan"])]
    user = render(prompt["user"], request=text, files=sorted(files))
    return _request("plan", [*shown, *recent(context), _message("user", user)], tasks=tasks)


def choice_request(text: str, task: PlannedTask, candidates: Sequence[Entry]) -> Request:
    """Return the request to choose one of the candidates for a task."""
    models = [_line({"id": each.id, "description": each.description}) for each in candidates]
    user = render(_prompts()["choose"]["user"], request=text, task=task.task, args=_line(task.args), models=models)
    return _request("choose", [_message("user", user)])


def answer_request(text: str, results: Sequence[Delegated], context: Sequence[Message]) -> Request:
    """Return the request for an answer from results; without any the request itself, to be answered directly."""
    if not results:
        return _request("chat", [*recent(context), _message("user", text)])
    user = render(_prompts()["answer"]["user"], request=text, results=[_line(_shown(each)) for each in results])
    return _request("answer", [*recent(context), _message("user", user)])


def _line(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False)


def _request(name: str, messages: Iterable[Message], **values: Any) -> Request:
    prompt = _prompts()[name]
    system = _message("system", render(prompt["text"], **values))
    return Request(messages=(system, *messages), parameters=prompt["parameters"])


def _message(role: str, content: str) -> Message:
    return {"role": role, "content": content}


def recent(context: Sequence[Message]) -> list[Message]:
    """Return the last messages that fit into CONTEXT_CHARS."""
    kept: list[Message] = []
    left = CONTEXT_CHARS
    for message in reversed(context):
        left -= len(str(message["content"]))
        if left < 0:
            break
        kept.append(message)
    return kept[::-1]


def _shown(each: Delegated) -> dict[str, Any]:
    """Return what the controller sees of a task."""
    shown: dict[str, Any] = {"id": each.id, "task": each.task, "args": {**each.texts, **each.files} or each.args}
    if each.state == "done":
        files = {"files": each.result.files} if each.result.files else {}
        return {**shown, "expert": each.expert, "result": each.result.text[:SHOWN_RESULT], **files}
    return {**shown, "no result": explained(each)}


def explained(each: Delegated) -> str:
    """Return in one line why a task has no result."""
    detail = " ".join(each.result.detail.split())[:300]
    return f"{each.result.reason}: {detail}" if detail else each.result.reason


def failures(results: Iterable[Delegated]) -> Iterator[str]:
    """Yield a line for people about each task that has no result."""
    for each in results:
        if each.state != "done":
            by = f" by {each.expert}" if each.expert else ""
            yield f"Not done: task {each.id}, {each.task}{by} ({explained(each)})."


def endpoint_prompt(task: str, texts: Mapping[str, str]) -> str | None:
    """Return how an endpoint is asked to do a task; None: there is no prompt for it.

    Raises jinja2.UndefinedError if the task has not the texts that its prompt needs.
    """
    form = _prompts()["tasks"].get(task, {}).get("ask")
    return None if form is None else render(form, **{"language": "", **texts})
