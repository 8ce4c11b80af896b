"""Runs a datatrove pipeline for one unit, in this process. The launcher owns arrays, retries and completion."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from datatrove.executor.base import DistributedEnvVars, PipelineExecutor
from datatrove.pipeline.base import PipelineStep
from datatrove.utils.stats import PipelineStats


class UnitExecutor(PipelineExecutor):
    """datatrove's executor with one rank: the pipeline holds the unit's own files, so ranks divide nothing."""

    def __init__(self, pipeline: Sequence[PipelineStep], logging_dir: Path) -> None:
        super().__init__(list(pipeline), str(logging_dir), skip_completed=False)

    def run(self) -> PipelineStats:
        """Run the pipeline to its end and return its counters."""
        return self._run_for_rank(0)

    @property
    def world_size(self) -> int:
        """One."""
        return 1

    def get_distributed_env(self, node_rank: int = -1) -> DistributedEnvVars:
        """Return the description of a node that datatrove asks for; with one rank it uses none of it."""
        return DistributedEnvVars(
            datatrove_node_ips="localhost",
            datatrove_cpus_per_task="1",
            datatrove_mem_per_cpu="1",
            datatrove_gpus_on_node="0",
            datatrove_executor="stagecoach",
        )


def run_pipeline(pipeline: Sequence[PipelineStep], work: Path) -> PipelineStats:
    """Run the blocks over one unit and return their counters.

    Side effect: datatrove writes its own log and counters to a new folder in `work`.
    """
    return UnitExecutor(pipeline, Path(tempfile.mkdtemp(prefix="datatrove-", dir=work))).run()
