"""The format of APIs: APIBench's ten fields, one JSON object a line (arXiv:2305.15334).

Published files have `api_arguments`, `python_environment_requirements`, `example_code` and `performance` as text, list
or object, and leave some of them out; they are kept as they are.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from stages.formats.jsonl import parse_lines
from stages.shared.files import write_atomic

_TEXTS = ("domain", "framework", "functionality", "api_name", "api_call", "description")


@dataclass(frozen=True, kw_only=True)
class Api:
    """An API that a model may call."""

    domain: str
    """Its task, such as Video Classification. APIs of one domain do the same."""
    framework: str = ""
    functionality: str = ""
    api_name: str = ""
    api_call: str
    """The call as code, such as `load(name='small')`."""
    api_arguments: Any = ""
    python_environment_requirements: Any = ""
    example_code: Any = ""
    performance: Any = ""
    description: str = ""


FIELDS = tuple(field.name for field in fields(Api))


def parse_api(record: Any, number: int) -> Api:
    """Return the API of a record; other fields are left out. Raises ValueError, KeyError or TypeError if it is none."""
    found = {name: record[name] for name in FIELDS if record.get(name) is not None}
    for name in _TEXTS:
        if not isinstance(found.get(name, ""), str):
            raise TypeError(f"{name} {found[name]!r}: must be a text")
    if not (found["domain"].strip() and found["api_call"].strip()):
        raise ValueError("domain and api_call must not be empty")
    return Api(**found)


def read_apis(path: Path) -> list[Api]:
    """Return the APIs of a file in order. Raises DataError, naming file and line, for a line that is none."""
    remedy = f"Write one JSON object a line with {', '.join(FIELDS)}"
    return list(parse_lines(path, parse_api, "not an API", remedy, skips_blank=True))


def write_apis(path: Path, apis: Iterable[Api]) -> None:
    """Write one API a line, in order, atomically."""
    lines = (json.dumps(asdict(api), ensure_ascii=False) + "\n" for api in apis)
    write_atomic(path, "".join(lines).encode("utf-8", "replace"))
