"""The edge of `report`: reads the files of a run and writes the page."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from stages.formats.kinds import KINDS
from stages.report.collect import collect
from stages.report.config import ReportConfig
from stages.report.page import render
from stages.report.parts.table import PARTS
from stages.shared.contract import InputFile
from stages.shared.files import write_atomic
from stages.shared.task import Task
from stages.shared.tool import ToolCall, ToolTable


def run(task: Task[ReportConfig]) -> dict[str, Any]:
    """Write the report of the run that the task belongs to, as the run stands now; return the size of the page."""
    path = task.out / KINDS.report.file
    build_report(task.run_dir, task.inputs["of"], path)
    return {"bytes": path.stat().st_size}


def report(call: ToolCall) -> list[ToolTable]:
    """Write the report of a run as it stands now, finished or not: the verb `report`."""
    build_report(call.run_dir, call.inputs["of"], call.out)
    return [ToolTable(notes=(f"report: {call.out}",))]


def build_report(run_dir: Path, files: Iterable[InputFile], path: Path) -> None:
    """Write the report of a run to `path`. `files` are the outputs of its sections; some may not exist yet."""
    made = time.time()
    page = render(run_dir.name, made, collect(files, run_dir, made, PARTS))
    write_atomic(path, page.encode("utf-8", errors="replace"))
