from pathlib import Path

import pytest

from stages.formats.results import (
    Generation,
    Outcomes,
    Results,
    read_generations,
    read_results,
    read_samples,
    write_generations,
    write_lines,
    write_results,
)
from stages.shared.errors import DataError
from stages.shared.files import read_json
from tests.stages.report.journey import evaluation_key, score

RESULTS = Results(
    key=evaluation_key("final", "facts"),
    scores=(score("facts", "acc", 0.1 + 0.2, None, chance=0.25),),
    protocol="As in the paper.",
    outcomes={
        name: Outcomes(items=(f"{name}1", f"{name}2"), values={"acc": (1.0, 0.0)}) for name in ("facts", "others")
    },
    members={"all": ("facts", "others")},
)
GENERATION = Generation(
    checkpoint="abc",
    source="final",
    prompt="\u202e\n<b>",
    continuation="x\ud800",
    tokens=1,
    stopped="eos",
    temperature=0.0,
)


def test_results_come_back_as_written_beside_lm_evals(tmp_path: Path) -> None:
    write_results(tmp_path / "results.json", RESULTS, {"results": {"facts": {"acc,none": 1}}})
    assert read_results(tmp_path / "results.json") == RESULTS
    assert read_json(tmp_path / "results.json")["results"] == {"facts": {"acc,none": 1}}


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"stagecoach": {"key": {}, "scores": []}}'])
def test_what_is_no_result_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "results.json").write_text(text)
    with pytest.raises(DataError, match=r"results\.json: not an evaluation result"):
        read_results(tmp_path / "results.json")


def test_a_groups_questions_are_those_of_its_tasks() -> None:
    assert RESULTS.questions("facts", "acc") == {"facts/facts1": 1.0, "facts/facts2": 0.0}
    assert len(RESULTS.questions("all", "acc")) == 4
    assert RESULTS.questions("all", "acc_norm") == RESULTS.questions("nothing", "acc") == {}


def test_generations_are_a_line_each_whatever_their_text(tmp_path: Path) -> None:
    path = tmp_path / "generations.jsonl"
    write_generations(path, [GENERATION, GENERATION])
    assert [g.prompt for g in read_generations(path)] == [GENERATION.prompt] * 2
    path.write_text(path.read_text() + "{}\n")
    with pytest.raises(DataError, match=r"generations\.jsonl:3: not a generation"):
        list(read_generations(path))


def test_samples_come_back_and_know_their_metrics(tmp_path: Path) -> None:
    path = tmp_path / "samples.jsonl"
    line = {
        **{"task": "t", "target": 1, "doc_id": 0, "arguments": [["Q?", " a"], ["Q?", " b"]]},
        **{"resps": [[[-1.0, False]], [[-2.0, True]]], "filtered_resps": [[-1.0, False], [-2.0, True]]},
    }
    write_lines(path, [{**line, "filter": "none"}, {**line, "filter": "strict-match"}])
    plain, strict = read_samples(path)
    assert (plain.arguments[1], plain.responses[0], plain.target) == (("Q?", " b"), [[-1.0, False]], 1)
    names = ("acc", "exact_match (strict-match)", "exact_match (flexible)")
    assert [plain.belongs_to(name) for name in names] == [True, False, False]
    assert [strict.belongs_to(name) for name in names] == [False, True, False]


@pytest.mark.parametrize("text", ["{", "[]", '{"task": "t"}', "null"])
def test_a_line_that_is_no_sample_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "samples.jsonl").write_text(text + "\n")
    with pytest.raises(DataError, match=r"samples\.jsonl:1: not a sample"):
        list(read_samples(tmp_path / "samples.jsonl"))
