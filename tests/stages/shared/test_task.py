"""A task without a launcher: a step's function can be called by itself."""

from __future__ import annotations

from pathlib import Path

from stages.shared.task import Ranks, Task
from tests.jobs.toy.config import ToyConfig


def test_a_step_runs_without_a_launcher_as_one_process_that_nobody_stops(tmp_path: Path) -> None:
    config = ToyConfig(moods="moods")
    task = Task(config=config, step="make", unit="0", inputs={}, out=tmp_path, work=tmp_path, run_dir=tmp_path)
    assert task.ranks == Ranks(rank=0, world_size=1, local_rank=0)
    assert (task.place, task.fellows, task.steps, task.should_stop()) == (0, {}, {}, False)
    (tmp_path / "milestone").touch()
    task.progress(3)
    task.check_lease()
    task.publish(tmp_path / "milestone", "pace-1")
    task.serve("http://here:1")
    assert [path.name for path in tmp_path.iterdir()] == ["milestone"], "publish is the launcher's to do"
