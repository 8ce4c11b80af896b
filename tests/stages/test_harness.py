from pathlib import Path
from typing import Any, ClassVar

from stages.shared.contract import SAME, WHOLE, After, InputFile, Kind, Output, StageConfig, StagePlan, Step, Unit
from stages.shared.task import Task
from tests.stages.harness import run_stage


class ThreeSteps(StageConfig):
    stage: ClassVar[str] = "none"

    def plan(self, inputs: Any) -> StagePlan:
        units = tuple(Unit(key=file.source, inputs={"files": (file,)}) for file in inputs["files"])
        first = Step(name="first", run=f"{__name__}:first", units=units, uses=(), reads=("files",))
        fellow = Step(name="fellow", run=f"{__name__}:fellow", units=units, uses=(), after=(After("first", SAME),))
        last = Step(name="", run=f"{__name__}:last", units=WHOLE, uses=(), after=(After("fellow"),))
        text = Output(step="", unit=WHOLE[0].key, kind=Kind("text", "all.txt"), source="here")
        return StagePlan(steps=(first, fellow, last), outputs=(text,))


def first(task: Task[ThreeSteps]) -> dict[str, Any]:
    (file,) = task.inputs["files"]
    (task.out / "one.txt").write_text(f"{task.place} {task.unit}: {file.path.name}\n")
    return {}


def fellow(task: Task[ThreeSteps]) -> dict[str, Any]:
    (task.out / "two.txt").write_text((task.fellows["first"] / "one.txt").read_text().upper())
    return {}


def last(task: Task[ThreeSteps]) -> dict[str, Any]:
    (task.out / "all.txt").write_text("".join((part / "two.txt").read_text() for part in task.steps["fellow"]))
    return {}


def test_steps_run_in_order_and_the_outputs_are_found(tmp_path: Path) -> None:
    files = (InputFile(tmp_path / "a", "red"), InputFile(tmp_path / "b", "blue"))
    outputs = run_stage(ThreeSteps(), {"files": files}, tmp_path / "run dir")
    assert outputs["text"][0].path.read_text() == "0 RED: A\n1 BLUE: B\n"
