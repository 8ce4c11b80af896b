"""The step of `serve`: a service that answers until it is stopped. Its address holds its token."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stages.serve.config import ServeConfig
from stages.serve.http.server import Files, Server
from stages.shared.files import write_atomic
from stages.shared.page import new_token
from stages.shared.task import Task

TOKEN = "token"
"""File in the work folder: an attempt after a requeue has the token of the one before, so clients go on."""


def serve(task: Task[ServeConfig]) -> dict[str, Any]:
    """Serve until someone says stop. The address is offered once the first model is loaded."""
    folders = {name: file.path for name, file in task.config.chosen(task.inputs["models"]).items()}
    corpus = [file.path for file in task.inputs.get("corpus", ())]
    files = Files(models=folders, tokenizer=task.inputs["tokenizer"][0].path, corpus=corpus)
    with Server(files, task.config, task.run_dir, _token(task.work)) as server:
        server.run(task.should_stop, lambda: task.serve(server.address.rstrip("/")))
    return {}


def _token(work: Path) -> str:
    """Return the token of earlier attempts, else a new one."""
    path = work / TOKEN
    if not path.is_file():
        write_atomic(path, new_token().encode())
    return path.read_text().strip()
