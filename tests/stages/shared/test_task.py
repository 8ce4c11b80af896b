from pathlib import Path

import pytest

from stages.shared.contract import StageConfig
from stages.shared.task import Ranks, Task


def task() -> Task[StageConfig]:
    folder = Path("/nowhere")
    places = dict.fromkeys(("out", "work", "shared", "run_dir"), folder)
    return Task(config=StageConfig(), step="", unit="all", inputs={}, **places)


def test_without_a_launcher_a_task_is_one_process_that_nobody_stops() -> None:
    made = task()
    assert made.ranks == Ranks(rank=0, world_size=1)
    assert made.should_stop() is False
    assert (made.place, made.fellows, made.steps) == (0, {}, {})


def test_without_a_launcher_reports_go_nowhere_and_the_lease_is_held() -> None:
    made = task()
    made.progress(3)
    made.check_lease()
    made.publish(Path("file"), "name")
    made.serve("http://host:1")


def test_a_task_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        task().unit = "other"  # type: ignore[misc]  # frozen
