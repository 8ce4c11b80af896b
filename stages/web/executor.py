"""Runs a datatrove pipeline for one shard, in this process. Arrays, retries and completion are the launcher's."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from datatrove.executor.base import DistributedEnvVars, PipelineExecutor
from datatrove.pipeline.base import PipelineStep
from datatrove.utils.stats import PipelineStats


class ShardExecutor(PipelineExecutor):
    """datatrove's executor with one rank: its pipeline holds the shard's own files, so ranks divide nothing."""

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
        """Return what datatrove wants to know of a node; nothing of it is used with one rank."""
        return DistributedEnvVars(
            datatrove_node_ips="localhost",
            datatrove_cpus_per_task="1",
            datatrove_mem_per_cpu="1",
            datatrove_gpus_on_node="0",
            datatrove_executor="stagecoach",
        )


def run_pipeline(pipeline: Sequence[PipelineStep], work: Path) -> PipelineStats:
    """Run the blocks one after the other over one shard; datatrove's own log and counters go to a folder in `work`."""
    return ShardExecutor(pipeline, Path(tempfile.mkdtemp(prefix="datatrove-", dir=work))).run()
