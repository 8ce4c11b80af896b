"""One unit's pages on their way through the blocks of a step: documents, rejects and funnel in, and again out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from datatrove.pipeline.base import PipelineStep

from stages.formats.funnel import Funnel, read_funnel, write_funnel
from stages.formats.kinds import KINDS
from stages.shared.task import Task
from stages.text.blocks.documents_io import WriteDocuments
from stages.text.blocks.executor import run_pipeline
from stages.text.blocks.gate import step_count
from stages.text.blocks.rejects import Rejects
from stages.web.config import WebConfig


class UnitPages:
    """Runs the blocks of one unit; the rejects and the funnel of an earlier step go on."""

    def __init__(self, task: Task[WebConfig], before: Path | None = None) -> None:
        """Take the unit's folder of the earlier step, if there is one."""
        self._out, self._work = task.out, task.work
        self.rejects = Rejects(task.config.rejects_per_reason)
        self._funnel: Funnel = []
        if before is not None:
            self.rejects.add_file(before / KINDS.rejects.file)
            self._funnel = read_funnel(before / KINDS.funnel.file)

    def run(self, blocks: Sequence[PipelineStep], gates: Sequence[PipelineStep]) -> Funnel:
        """Run the blocks and return the funnel; the `gates` among them are its steps.

        Side effect: writes the documents that come through, the rejects and the funnel.
        """
        run_pipeline([*blocks, WriteDocuments(self._out / KINDS.documents.file)], self._work)
        self.rejects.write(self._out / KINDS.rejects.file)
        funnel = [*self._funnel, *map(step_count, gates)]
        write_funnel(self._out / KINDS.funnel.file, funnel)
        return funnel
