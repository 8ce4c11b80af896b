"""The format of requests that a conductor answers, one JSON object a line.

    {"id", "text", "language", "files": {"a.png": "data:image/png;base64,..."}, "plan": [tasks], "answer": [[words]]}

Files travel as data, so a file of requests is complete, and its digest is theirs. `plan` and `answer` are the right
ones, where they are known.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stages.formats.jsonl import parse_lines
from stages.shared.errors import DataError
from stages.shared.files import write_atomic

_NAME = re.compile(r"[^/\\\x00-\x1f]{1,255}")
_DATA_URL = re.compile(r"data:(?:image|audio|video|application|text)/([\w.+-]{1,40});base64,")
_SUFFIXES = {"jpeg": "jpg", "x-wav": "wav", "wave": "wav", "mpeg": "mp3"}


@dataclass(frozen=True, kw_only=True)
class GivenFile:
    """A file that comes with a request."""

    data: bytes
    suffix: str
    """Such as `png`, by its media type."""


@dataclass(frozen=True, kw_only=True)
class ToolRequest:
    """A request of a user."""

    id: str
    text: str
    language: str = "en"
    files: Mapping[str, GivenFile] = field(default_factory=dict)
    """By the names under which the text and the plan know them."""
    plan: tuple[Mapping[str, Any], ...] | None = None
    """The right plan: tasks with `task`, `id`, `dep`, `args`. (): no task; None: not known."""
    answer: tuple[tuple[str, ...], ...] = ()
    """Texts of a right answer: it holds one of each group. Empty: not known."""


def read_requests(path: Path) -> list[ToolRequest]:
    """Return the requests of a file in order. Raises DataError, naming file and line, for a line that is none."""
    remedy = "Write one JSON object a line: {id, text}, with files as data URLs"
    found = list(parse_lines(path, _request, "not a request", remedy, skips_blank=True))
    if len({each.id for each in found}) < len(found):
        raise DataError(path, "an id stands twice", "Give every request an id of its own")
    return found


def _request(record: Mapping[str, Any], number: int) -> ToolRequest:
    text = record["text"] if "text" in record else record["user_request"]  # as TaskBench has it
    if not isinstance(text, str):
        raise TypeError(f"text {text!r}: must be a text")
    plan = record.get("plan")
    return ToolRequest(
        id=str(record.get("id", number)),
        text=text,
        language=str(record.get("language", "en")),
        files={_name(name): read_data_url(url) for name, url in record.get("files", {}).items()},
        plan=None if plan is None else tuple(plan),
        answer=tuple(tuple(map(str, group)) for group in record.get("answer", ())),
    )


def _name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"file {name!r}: must be a plain name")
    return name


def read_data_url(url: str) -> GivenFile:
    """Return the file of a data URL. Raises ValueError for any other URL: nothing is fetched."""
    mark = _DATA_URL.match(url)
    if mark is None:
        raise ValueError(f"file {url[:60]!r}: must be a data URL (data:image/png;base64,...)")
    try:
        data = base64.b64decode(url[mark.end() :], validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"file {url[:60]!r}: must be base64 ({error})") from error
    kind = mark[1].lower()
    return GivenFile(data=data, suffix=_SUFFIXES.get(kind) or re.sub(r"[^a-z0-9]", "", kind)[:8] or "bin")


def data_url(media_type: str, data: bytes) -> str:
    """Return a file as a data URL."""
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


def write_requests(path: Path, requests: Iterable[ToolRequest]) -> None:
    """Write one request a line, in order, atomically."""
    lines = (json.dumps(_record(each), ensure_ascii=False, sort_keys=True) + "\n" for each in requests)
    write_atomic(path, "".join(lines).encode("utf-8", "replace"))


def _record(request: ToolRequest) -> dict[str, Any]:
    record: dict[str, Any] = {"id": request.id, "text": request.text, "language": request.language}
    if request.files:
        record["files"] = {name: data_url(_media_type(file), file.data) for name, file in request.files.items()}
    if request.plan is not None:
        record["plan"] = list(request.plan)
    return {**record, **({"answer": request.answer} if request.answer else {})}


def _media_type(file: GivenFile) -> str:
    return f"{'audio' if file.suffix in ('wav', 'mp3', 'flac', 'ogg') else 'image'}/{file.suffix}"
