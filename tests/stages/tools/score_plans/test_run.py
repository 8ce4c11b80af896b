from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stages.conductor.conducting import Asked
from stages.formats.conducted.records import Conducted, write_conducted
from stages.formats.conducted.requests import ToolRequest, write_requests
from stages.formats.conducted.scores import Answered, Overlap, PlanScores, read_plan_scores
from stages.shared.contract import InputFile
from stages.shared.errors import DataError
from stages.tools.score_plans.config import ScorePlansConfig
from tests.stages.conductor.made import conductor, controller, expert, plan
from tests.stages.harness import run_stage

TASKS: list[dict[str, Any]] = [{"task": "calculator", "id": 0, "dep": [-1], "args": {"text": "1 + 1"}}]


def record(number: str, planned: str, answer: str) -> Conducted:
    found = conductor(controller(planned, answer), expert("calculator", lambda _: "2.00"))
    return found.conduct(Asked(id=number, text="t", files={}))


def scores(folder: Path, records: list[Conducted], requests: list[ToolRequest]) -> PlanScores:
    write_conducted(folder / "c.jsonl", records)
    write_requests(folder / "r.jsonl", requests)
    inputs = {"conducted": (InputFile(folder / "c.jsonl", "x"),), "requests": (InputFile(folder / "r.jsonl", "x"),)}
    outputs = run_stage(ScorePlansConfig(conducted="c", requests="r"), inputs, folder / "run")
    return read_plan_scores(outputs["plan_scores"][0].path)


def test_plans_and_answers_are_counted_beside_controls(tmp_path: Path) -> None:
    records = [
        record("1", plan(*TASKS), "It is 2.00."),
        record("2", "[]", "I do not know."),
        record("3", plan({"task": "fly"}, {"task": "text-to-video"}), "红"),
    ]
    requests = [
        ToolRequest(id="1", text="t", plan=tuple(TASKS), answer=(("2",),)),
        ToolRequest(id="2", text="t", plan=tuple(TASKS), answer=(("200", "20"),)),
        ToolRequest(id="3", text="t", language="zh", plan=(), answer=(("红", "red"),)),
    ]
    found = scores(tmp_path, records, requests)
    assert (found.requests, found.unplanned) == (3, 1)
    assert found.kinds["plans"]["nodes"] == Overlap(right=1, planned=2, wanted=2)
    assert found.kinds["another"]["nodes"] == Overlap(right=0, planned=2, wanted=2)
    assert found.kinds["random"]["nodes"] == Overlap(right=2, planned=2, wanted=2)
    assert found.answers == {"en": Answered(right=1, of=2, by_chance=0), "zh": Answered(right=1, of=1, by_chance=0)}
    assert (found.states, found.reasons) == ({"done": 1, "failed": 1}, {"no_expert": 1})
    assert [each["id"] for each in found.samples] == ["1", "2", "3"]
    assert found.samples[0]["tasks"][0]["result"] == "2.00"


def test_records_of_other_requests_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no request has the id '1'"):
        scores(tmp_path, [record("1", "[]", "")], [ToolRequest(id="2", text="t", plan=())])
    with pytest.raises(DataError, match="no request has a right plan"):
        scores(tmp_path / "b", [record("1", "[]", "")], [ToolRequest(id="1", text="t")])


def test_a_file_of_records_is_a_unit_and_a_damaged_one_is_named(tmp_path: Path) -> None:
    files = tuple(InputFile(Path(f"/{name}/conducted.jsonl"), "") for name in "ab")
    steps = ScorePlansConfig(conducted="c", requests="r").plan({"conducted": files}).steps
    assert [unit.key for unit in steps[0].units] == ["conducted.jsonl", "conducted.jsonl~2"]
    (tmp_path / "s").write_text('{"kinds": {}}')
    with pytest.raises(DataError, match="not plan scores"):
        read_plan_scores(tmp_path / "s")
