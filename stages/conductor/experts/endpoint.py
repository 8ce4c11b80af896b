"""Experts behind an endpoint with OpenAI's API: language models, and models that see or hear. Files travel as data."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jinja2

from stages.conductor.expert import Call, Expert, Made
from stages.conductor.selection import Entry
from stages.conductor.wording import endpoint_prompt
from stages.formats.chat.rejects import Reject
from stages.formats.conducted.requests import data_url
from stages.teacher.request import Answer, Request
from stages.teacher.teacher import TeacherError

MAX_BYTES = 20 << 20
"""Size of a file that is sent."""
PARAMETERS: Mapping[str, Any] = {"temperature": 0.0, "max_tokens": 512}
_SOUNDS = frozenset(("wav", "mp3"))
"""Formats of sounds in OpenAI's API."""


def endpoint_expert(entry: Entry, ask: Callable[[Request], Answer]) -> Expert:
    """Return an expert that asks an endpoint by the prompt of its task. `ask` is called from several threads."""

    def run(call: Call) -> Made:
        prompt = _prompt(entry.task, call.texts)
        try:
            answer = ask(
                Request(messages=({"role": "user", "content": _content(prompt, call)},), parameters=PARAMETERS)
            )
        except TeacherError as error:  # its endpoint is down: the request goes on without it
            raise Reject("no_answer", str(error)) from error
        if answer.finish not in ("stop", "length"):
            raise Reject("no_answer" if answer.finish == "unanswered" else answer.finish, answer.text)
        return Made(text=answer.text.strip(), asked=prompt)

    return Expert(entry=entry, run=run)


def _prompt(task: str, texts: Mapping[str, str]) -> str:
    """Return how the endpoint is asked. A task's only text may have any name."""
    named = texts if "text" in texts or len(texts) != 1 else {"text": next(iter(texts.values()))}
    try:
        prompt = endpoint_prompt(task, named)
    except jinja2.UndefinedError as error:
        raise Reject("bad_argument", str(error)) from error
    if prompt is None:
        raise Reject("bad_argument", f"an endpoint has no prompt for {task}")
    return prompt


def _content(prompt: str, call: Call) -> str | list[dict[str, Any]]:
    if not call.files:
        return prompt
    return [{"type": "text", "text": prompt}, *(_part(name, path) for name, path in call.files.items())]


def _part(name: str, path: Path) -> dict[str, Any]:
    if path.stat().st_size > MAX_BYTES:
        raise Reject("bad_argument", f"{name} has {path.stat().st_size} bytes, at most {MAX_BYTES}")
    data, suffix = path.read_bytes(), path.suffix[1:]
    if suffix in _SOUNDS:
        return {"type": "input_audio", "input_audio": {"data": base64.b64encode(data).decode(), "format": suffix}}
    return {"type": "image_url", "image_url": {"url": data_url(f"image/{'jpeg' if suffix == 'jpg' else suffix}", data)}}
