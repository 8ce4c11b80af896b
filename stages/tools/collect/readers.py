"""Readers of descriptions of APIs. Each yields an API, or the reason why a record describes none, with its place.

Nothing is imported or evaluated: Python sources are parsed alone, YAML is loaded as data.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from stages.formats.calls.apis import Api
from stages.formats.chat.rejects import Reject
from stages.formats.published.files import read_records
from stages.shared.errors import DataError
from stages.tools.collect.config import Format

Place = int | str
Described = Iterator[tuple[Place, Api | Reject]]
MAX_DESCRIPTION = 2000
"""Characters of a description that are kept."""
_FRONT = re.compile(r"\A---\s*\n(.*?)\n---\s*(?:\n|\Z)", re.DOTALL)
_CODE = re.compile(r"```(?:python|py)\s*\n(.*?)```", re.DOTALL)
_METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")


def read_apis_of(path: Path, format_: Format) -> Described:
    """Yield the APIs that a file describes. Raises DataError for a file that is damaged."""
    if format_ == "hub":
        for place, record in read_records(path):
            yield place, record if isinstance(record, Reject) else _caught(_listed, record)
    elif format_ == "card":
        yield path.name, _caught(_carded, path.read_text(encoding="utf-8", errors="replace"), path)
    elif format_ == "openapi":
        yield from _operations(path)
    else:
        yield from _functions(path)


def _caught(make: Any, *given: Any) -> Api | Reject:
    try:
        api: Api = make(*given)
    except Reject as reject:
        return reject
    except (KeyError, TypeError, AttributeError, ValueError, yaml.YAMLError) as error:
        return Reject("other_format", f"{type(error).__name__}: {error}")
    return api


def _listed(record: Mapping[str, Any]) -> Api:
    """Return the API of an entry of the hub's listing, or of JARVIS's catalogue."""
    name = record.get("id") or record["modelId"]
    task = record.get("pipeline_tag") or record.get("task")
    if not task:
        raise Reject("no_task", str(name))
    card = record.get("cardData") or record.get("meta") or {}
    return _model(str(name), str(task), card, record.get("description") or card.get("summary") or "", "")


def _carded(text: str, path: Path) -> Api:
    """Return the API of a model card: YAML between lines of `---`, then Markdown."""
    front = _FRONT.match(text)
    card = yaml.safe_load(front[1]) if front else None
    if not isinstance(card, dict):
        raise Reject("no_front_matter", path.name)
    if not card.get("pipeline_tag"):
        raise Reject("no_task", path.name)
    body = text[front.end() :] if front else text
    code = _CODE.search(body)
    name = card.get("model_name") or (path.parent.name if path.stem.lower() == "readme" else path.stem)
    return _model(str(name), str(card["pipeline_tag"]), card, _first_paragraph(body), code[1].strip() if code else "")


def _model(name: str, task: str, card: Mapping[str, Any], description: str, code: str) -> Api:
    call = f"pipeline({task!r}, model={name!r})"
    return Api(
        domain=task.replace("-", " ").title(),
        framework=str(card.get("library_name") or "transformers"),
        functionality=task,
        api_name=name,
        api_call=call,
        api_arguments={"task": task, "model": name},
        python_environment_requirements=[str(card.get("library_name") or "transformers")],
        example_code=code or f"from transformers import pipeline\nanswer = {call}",
        performance={"dataset": card.get("datasets") or "", "metrics": card.get("metrics") or ""},
        description=description.strip()[:MAX_DESCRIPTION],
    )


def _first_paragraph(body: str) -> str:
    """Return the first paragraph that is neither a heading, a picture, a table nor code."""
    without = re.sub(r"```.*?```", "", body, flags=re.DOTALL)
    parts = (part.strip() for part in re.split(r"\n\s*\n", without))
    return next((part for part in parts if part and part[0] not in "#![|<-"), "")


def _operations(path: Path) -> Described:
    text = path.read_text(encoding="utf-8", errors="replace")
    try:
        value = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
        paths = dict(value["paths"])
    except (ValueError, KeyError, TypeError, yaml.YAMLError, RecursionError) as error:
        raise DataError(path, f"not an OpenAPI file ({error!r})", "Give OpenAPI 3 or Swagger 2") from error
    for route, item in paths.items():
        for method in _METHODS:
            if isinstance(item, Mapping) and method in item:
                yield f"{method} {route}", _caught(_operation, value, route, method)


def _operation(value: Mapping[str, Any], route: str, method: str) -> Api:
    item = value["paths"][route]
    operation = item[method]
    name = operation.get("operationId") or re.sub(r"[\W_]+", "_", f"{method}_{route}").strip("_")
    arguments: dict[str, Any] = {}
    for parameter in [*item.get("parameters", ()), *operation.get("parameters", ())]:
        found = _followed(value, parameter)
        schema = _followed(value, found.get("schema") or found)
        arguments[found["name"]] = found.get("description") or schema.get("type") or "string"
    content = _followed(value, operation.get("requestBody") or {}).get("content") or {}
    body = _followed(value, (content.get("application/json") or {}).get("schema") or {})
    for key, schema in (body.get("properties") or {}).items():
        found = _followed(value, schema)
        arguments[key] = found.get("description") or found.get("type") or "object"
    info = value.get("info") or {}
    return Api(
        domain=str((operation.get("tags") or [info.get("title") or "API"])[0]),
        framework=str(info.get("title") or ""),
        functionality=str(operation.get("summary") or ""),
        api_name=str(name),
        api_call=f"{name}({', '.join(f'{_plain(key)}={key!r}' for key in arguments)})",
        api_arguments=arguments,
        example_code=f"{method.upper()} {route}",
        description=str(operation.get("description") or operation.get("summary") or "")[:MAX_DESCRIPTION],
    )


def _plain(name: str) -> str:
    """Return a parameter's name as code may have it: X-Id as X_Id."""
    return re.sub(r"\W", "_", name)


def _followed(value: Any, found: Any) -> Mapping[str, Any]:
    """Return what a local reference names. Raises Reject for one that leads nowhere, or in a circle."""
    for _ in range(20):
        if "$ref" not in found:
            return dict(found)
        name = str(found["$ref"])
        found = value
        for part in name.removeprefix("#/").split("/"):
            key = part.replace("~1", "/").replace("~0", "~")
            if not (name.startswith("#/") and isinstance(found, Mapping) and key in found):
                raise Reject("unknown_reference", name)
            found = found[key]
    raise Reject("unknown_reference", "a circle")


def _functions(path: Path) -> Described:
    """Yield the public functions of a source that have a docstring."""
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise DataError(path, f"not a Python source ({error})", "Mend the file") from error
    topic = (ast.get_docstring(tree) or path.stem).partition("\n")[0].rstrip(".")
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and not node.name.startswith("_"):
            docstring = ast.get_docstring(node)
            yield node.lineno, _function(path, node, docstring, topic) if docstring else Reject("no_text", node.name)


def _function(path: Path, node: ast.FunctionDef | ast.AsyncFunctionDef, docstring: str, topic: str) -> Api:
    given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    arguments = {each.arg: ast.unparse(each.annotation) if each.annotation else "" for each in given}
    return Api(
        domain=topic,
        framework="Python",
        functionality=docstring.partition("\n")[0],
        api_name=node.name,
        api_call=f"{path.stem}.{node.name}({', '.join(f'{name}={name!r}' for name in arguments)})",
        api_arguments=arguments,
        example_code=f"import {path.stem}",
        description=docstring[:MAX_DESCRIPTION],
    )
