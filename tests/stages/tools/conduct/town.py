"""A scripted endpoint for requests of the sample world: controller and experts, by rule, over real HTTP.

It knows the right plans and the scenes of the pictures, as a good model would, and writes plans with the faults that
models make.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from stages.formats.conducted.requests import ToolRequest, data_url
from stages.sample.chinese import VALUES
from stages.sample.pictures.scenes import Animals, Scene, Stall
from stages.sample.pictures.words import counted, named
from stages.sample.requests.wordings import request
from stages.sample.world import make_world
from stages.shared.contract import InputFile
from stages.tools.conduct.config import ConductConfig
from tests.stages.harness import run_stage
from tests.stages.teacher.scripted import Reply

Fault = Callable[[str], str]
FAULTS: tuple[Fault, ...] = (
    lambda plan: plan,
    lambda plan: f"```json\n{plan}\n```",
    lambda plan: f"Sure! Here is the plan: {plan} I hope this helps.",
    lambda plan: plan.replace("}}", "}} }}"),
    lambda plan: plan[:-1],
    lambda plan: plan.replace('"dep": [-1]', '"dep": [-1, 0, 0]'),
    lambda plan: plan.replace("[{", '[{"task": "fly", "id": 77, "dep": [-1], "args": {}}, {', 1),
    lambda plan: plan.replace("<GENERATED>-0", "<GENERATED-0>"),
    lambda plan: plan.replace('"args": {', '"args": {"n": 3, "deep": [{"x": null}], ', 1),
    lambda plan: plan.replace(", ", ",\n\n   "),
)
"""Faults that leave the plan readable: the facts of HuggingGPT's own demonstrations and more."""


def system_of(body: Mapping[str, Any]) -> str:
    first = body["messages"][0]
    return str(first["content"]) if first["role"] == "system" else ""


def fault_of(text: str) -> Fault:
    return FAULTS[hashlib.sha256(text.encode()).digest()[0] % len(FAULTS)]


class Town:
    """The rule of a server that knows the town's requests."""

    def __init__(self, seed: int, requests: list[ToolRequest]) -> None:
        self._requests = {each.text: each for each in requests}
        wanted = [request(make_world(seed), number) for number in range(len(requests))]
        self._scenes: dict[str, Scene] = {
            data_url("image/png", given.files[name].data): scene
            for given, each in zip(requests, wanted, strict=True)
            for name, scene in each.scenes.items()
        }

    def reply(self, body: Mapping[str, Any], _number: int) -> Reply:
        system, content = system_of(body), body["messages"][-1]["content"]
        if system.startswith("You split"):
            plan = json.dumps(self._requests[content.partition("\n\nFiles: ")[0]].plan, ensure_ascii=False)
            return Reply(text=fault_of(content)(plan))
        if system.startswith("You answer a user's request from"):
            lines = [json.loads(line) for line in content.partition("Results, one a line:\n")[2].splitlines()]
            return Reply(text=" ".join(str(line.get("result", "")) for line in lines))
        if system:
            return Reply(text="You are welcome.")
        if isinstance(content, list):
            return Reply(text=self._seen(content[0]["text"], self._scenes[content[1]["image_url"]["url"]]))
        return Reply(text=translated(content) if content.startswith("Translate") else read(content))

    def _seen(self, prompt: str, scene: Scene) -> str:
        match scene:
            case Stall():
                return f"The bread costs {scene.price} coins."
            case Animals() if prompt == "Describe the picture.":
                return f"There are {scene.count} {scene.colour} {named(scene.animal, scene.count)}."
            case Animals():
                return f"There are {counted(scene.count, scene.animal, 'en')}."
        raise ValueError(scene)


def conduct(
    folder: Path, url: str, requests: InputFile, documents: InputFile | None, settings: Mapping[str, Any]
) -> dict[str, tuple[InputFile, ...]]:
    """Run the stage with an endpoint that is controller and experts."""
    endpoint = {"url": url, "model": "m"}
    endpoints = dict.fromkeys(settings.get("experts", {}), endpoint)
    values = {"requests": "r", "controller": endpoint, "endpoints": endpoints, **settings}
    inputs = {"requests": (requests,), **({"corpus": (documents,)} if documents else {})}
    return run_stage(ConductConfig.model_validate(values), inputs, folder)


def translated(content: str) -> str:
    """Return words for words."""
    head, _, text = content.partition("\n\n")
    if "Chinese" not in head:
        return text
    for english, chinese in {**VALUES["animal"], **VALUES["colour"], "bread": "面包", "Friday": "星期五"}.items():
        text = text.replace(english, chinese)
    return text


def read(content: str) -> str:
    """Return the price that passages tell, of the place that the question names."""
    passages, _, question = content.rpartition("\n\nQuestion: ")
    place = re.search(r"in (\w+)\?", question) or re.search(r"^(\w+)的", question)
    assert place, question
    for line in passages.splitlines():
        if place[1] in line and (price := re.search(r"\d+", line)):
            return price[0]
    return "unknown"
