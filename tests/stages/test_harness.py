from pathlib import Path
from typing import Any, ClassVar

from stages.shared.contract import InputFile, Output, StageConfig, StagePlan, Step
from stages.shared.task import Task
from tests.stages.harness import run_stage


class TwoSteps(StageConfig):
    stage: ClassVar[str] = "none"

    def plan(self, inputs: Any) -> StagePlan:
        first = Step(name="first", run=f"{__name__}:first", shards=2, uses=(), reads=("files",))
        second = Step(name="", run=f"{__name__}:second", shards=1, uses=(), after=("first",))
        return StagePlan(steps=(first, second), outputs=(Output("", 0, "all.txt", "text", "here"),))


def first(task: Task) -> dict[str, Any]:
    (task.out / "one.txt").write_text(f"{task.shard} of {task.num_shards}: {task.inputs['files'][task.shard].source}\n")
    return {}


def second(task: Task) -> dict[str, Any]:
    parts = sorted(task.steps["first"].glob("shards/*/one.txt"))
    (task.out / "all.txt").write_text("".join(part.read_text() for part in parts))
    return {}


def test_steps_run_in_order_and_the_outputs_are_found(tmp_path: Path) -> None:
    files = (InputFile(tmp_path / "a", "red"), InputFile(tmp_path / "b", "blue"))
    outputs = run_stage(TwoSteps(), {"files": files}, tmp_path / "run dir")
    assert outputs["text"][0].path.read_text() == "0 of 2: red\n1 of 2: blue\n"
