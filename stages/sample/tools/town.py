"""The forty APIs of the town hall: four requests about each of eight things, and eight models that read or translate.

The things are operations of an OpenAPI file, the models are entries of a hub's listing. Models of one task differ in
accuracy and size: a request that demands both fits one of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from stages.formats.calls.apis import Api
from stages.sample.draw import words

TITLE = "Town hall"
THINGS: dict[str, str] = dict(
    zip(
        words("boat cart drum horse kite ladder lamp tent"),
        words("小船 推车 大鼓 马匹 风筝 梯子 灯笼 帐篷"),
        strict=True,
    )
)
"""What the town hall lends: English and Chinese."""
UNKNOWN: dict[str, str] = dict(
    zip(
        words("bell bench book chair clock fence gate hat kettle knife mirror pan pipe plough rake rope saw shovel"),
        words("铃铛 长凳 书本 椅子 时钟 篱笆 大门 帽子 水壶 小刀 镜子 铁锅 烟斗 犁头 耙子 绳索 锯子 铲子"),
        strict=True,
    )
)
"""What it does not lend. The last third is in held-out requests alone."""


@dataclass(frozen=True)
class Operation:
    """A request about a thing."""

    name: str
    method: str
    tag: str
    summary: str
    parameters: tuple[str, ...]


OPERATIONS: tuple[Operation, ...] = (
    Operation("hire", "post", "{Thing} hire", "Hires a {thing}.", ("place", "days")),
    Operation("price", "get", "{Thing} price", "The price of a {thing}.", ("place",)),
    Operation("bring_back", "put", "{Thing} return", "Takes a {thing} back.", ("place", "number")),
    Operation("repair", "patch", "{Thing} repair", "Repairs a {thing}.", ("place", "number")),
)


@dataclass(frozen=True)
class Model:
    """A model of the hub's listing."""

    task: str
    name: str
    accuracy: int
    """Right words of a hundred."""
    size: int
    """Megabytes."""


TASKS: dict[str, str] = {"translation": "Translates letters.", "image-to-text": "Reads old letters."}
SIZES = ((70, 20), (80, 40), (90, 80), (99, 160))
"""Accuracy and size of the models of a task."""
MODELS = tuple(Model(task, f"town/{task[:5]}-{size}", accuracy, size) for task in TASKS for accuracy, size in SIZES)


def openapi() -> dict[str, Any]:
    """Return the OpenAPI file of the things."""
    paths: dict[str, Any] = {}
    for thing in THINGS:
        for operation in OPERATIONS:
            parameters = [
                {"name": name, "in": "query", "required": True, "schema": {"type": _kind(name)}}
                for name in operation.parameters
            ]
            paths.setdefault(_route(thing), {})[operation.method] = {
                "operationId": _name(operation, thing),
                "tags": [_tag(operation, thing)],
                "summary": operation.summary.format(thing=thing),
                "parameters": parameters,
            }
    return {"openapi": "3.0.3", "info": {"title": TITLE, "version": "1"}, "paths": paths}


def listing() -> list[dict[str, Any]]:
    """Return the entries of the models, as the hub's API lists them."""
    return [
        {
            "id": model.name,
            "pipeline_tag": model.task,
            "description": f"{TASKS[model.task]} {model.accuracy} of 100 words are right. {model.size} MB.",
            "cardData": {"library_name": "transformers", "metrics": {"accuracy": model.accuracy, "mb": model.size}},
        }
        for model in MODELS
    ]


def api_of(operation: Operation, thing: str, **values: Any) -> Api:
    """Return the API of an operation; with values, the API as a request calls it."""
    shown = values or {name: name for name in operation.parameters}
    summary = operation.summary.format(thing=thing)
    name = _name(operation, thing)
    return Api(
        domain=_tag(operation, thing),
        framework=TITLE,
        functionality=summary,
        api_name=name,
        api_call=f"{name}({', '.join(f'{key}={value!r}' for key, value in shown.items())})",
        api_arguments={name: _kind(name) for name in operation.parameters},
        example_code=f"{operation.method.upper()} {_route(thing)}",
        description=summary,
    )


def api_of_model(model: Model) -> Api:
    """Return the API of a model."""
    call = f"pipeline({model.task!r}, model={model.name!r})"
    (entry,) = (each for each in listing() if each["id"] == model.name)
    return Api(
        domain=model.task.replace("-", " ").title(),
        framework="transformers",
        functionality=model.task,
        api_name=model.name,
        api_call=call,
        api_arguments={"task": model.task, "model": model.name},
        python_environment_requirements=["transformers"],
        example_code=f"from transformers import pipeline\nanswer = {call}",
        performance={"dataset": "", "metrics": entry["cardData"]["metrics"]},
        description=entry["description"],
    )


def apis() -> list[Api]:
    """Return the forty APIs."""
    things = [api_of(operation, thing) for thing in THINGS for operation in OPERATIONS]
    return [*things, *map(api_of_model, MODELS)]


def _kind(name: str) -> str:
    return "string" if name == "place" else "integer"


def _name(operation: Operation, thing: str) -> str:
    return f"{operation.name}_{thing}"


def _route(thing: str) -> str:
    return f"/{thing}"


def _tag(operation: Operation, thing: str) -> str:
    return operation.tag.format(Thing=thing.title())
