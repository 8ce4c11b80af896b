"""The edge of `report`: read a run, write the page."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from stages.formats.kinds import KINDS
from stages.report.collect import Files, collect
from stages.report.render import render
from stages.shared.files import write_atomic
from stages.shared.task import Task


def run(task: Task) -> dict[str, Any]:
    """Write the report of the run that this task belongs to, as it stands now."""
    files = {field: [(file.path, file.source) for file in found] for field, found in task.inputs.items()}
    build_report(task.run_dir, files, task.out / KINDS.report.file)
    return {"bytes": (task.out / KINDS.report.file).stat().st_size}


def build_report(run_dir: Path, files: Files, path: Path) -> None:
    """Write the report of a run to `path`, from the files that exist by now."""
    page = render(collect(files, run_dir, made=time.time()))
    write_atomic(path, page.encode("utf-8", errors="replace"))
