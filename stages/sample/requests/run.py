"""The step of `sample.requests`: requests with their pictures, right plans and right answers."""

from __future__ import annotations

import io
from typing import Any

from stages.formats.conducted.requests import GivenFile, ToolRequest, write_requests
from stages.formats.kinds import KINDS
from stages.sample.draw import Draw
from stages.sample.pictures.paint import painted
from stages.sample.pictures.scenes import Scene
from stages.sample.requests.config import RequestsConfig
from stages.sample.requests.wordings import request
from stages.sample.world import make_world
from stages.shared.task import Task


def run(task: Task[RequestsConfig]) -> dict[str, Any]:
    """Write the requests."""
    found = [_request(task.config, number) for number in range(task.config.requests)]
    write_requests(task.out / KINDS.tool_requests.file, found)
    return {"requests": len(found), "pictures": sum(len(each.files) for each in found)}


def _request(config: RequestsConfig, number: int) -> ToolRequest:
    wanted = request(make_world(config.seed), number)
    files = {name: _picture(config, scene, number, name) for name, scene in wanted.scenes.items()}
    return ToolRequest(
        id=f"{wanted.kind}-{number}",
        text=wanted.text,
        language=wanted.language,
        files=files,
        plan=wanted.plan,
        answer=wanted.answer,
    )


def _picture(config: RequestsConfig, scene: Scene, number: int, name: str) -> GivenFile:
    image, _ = painted(scene, config.size, Draw("request picture", config.seed, number, name), False)
    file = io.BytesIO()
    image.convert("RGB").save(file, "PNG", compress_level=0)  # the same bytes with every version of zlib
    return GivenFile(data=file.getvalue(), suffix="png")
