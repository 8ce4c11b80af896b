"""Code tasks of lm-eval: the metric runs in a jail, and agrees with published verdicts."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import evaluate as hf_evaluate
import pytest

from stages.evaluate.code_eval import JailedCodeEval, jailed
from stages.evaluate.scores import pass_at
from stages.jail import jail

needs_jail = pytest.mark.skipif(jail.missing() is not None, reason=f"no jail here: {jail.missing()}")
DATA = Path(__file__).parents[4] / "shared" / "data" / "eval" / "humaneval"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"HumanEval's data is not in {DATA}")


def problems() -> dict[str, dict[str, Any]]:
    with gzip.open(DATA / "HumanEval.jsonl.gz", "rt", encoding="utf-8") as lines:
        return {problem["task_id"]: problem for problem in map(json.loads, lines)}


def checks_of(problem: dict[str, Any]) -> str:
    return f"{problem['test']}\ncheck({problem['entry_point']})"


@needs_jail
@needs_data
def test_every_canonical_solution_of_humaneval_passes() -> None:
    every = problems().values()
    scores, _ = JailedCodeEval().compute(
        [checks_of(problem) for problem in every],
        [[problem["prompt"] + problem["canonical_solution"]] for problem in every],
    )
    assert scores == {"pass@1": 1.0}


@needs_jail
@needs_data
def test_published_verdicts_of_wizardcoder_are_reproduced_on_a_busy_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = (DATA / "wizardcoder15b_T0.0_N1.results.59.8.jsonl").read_text(encoding="utf-8").splitlines()
    answers = [json.loads(line) for line in lines]
    every = problems()
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(8)))  # eight at once, on fewer cores
    scores, results = JailedCodeEval().compute(
        [checks_of(every[answer["task_id"]]) for answer in answers], [[answer["completion"]] for answer in answers]
    )
    assert [results[number][0][1]["passed"] for number in results] == [
        answer["passed"] in {True, "True"} for answer in answers
    ]
    assert len(answers) == 164
    assert scores["pass@1"] == pytest.approx(98 / 164)


@needs_jail
def test_pass_at_k_counts_all_candidates() -> None:
    good, bad = "def add(a, b):\n    return a + b", "def add(a, b):\n    return a * b"
    scores, results = JailedCodeEval().compute(["assert add(2, 3) == 5"], [[bad, good, bad, bad]], k=[1, 2, 8])
    assert scores == {"pass@1": 0.25, "pass@2": 0.5}
    assert [verdict["result"] for _, verdict in results[0]] == [
        "error AssertionError:",
        "passed",
        *["error AssertionError:"] * 2,
    ]


@pytest.mark.parametrize(
    ("k", "n", "correct", "value"), [(1, 10, 3, 0.3), (2, 4, 1, 0.5), (5, 10, 0, 0.0), (5, 10, 6, 1.0)]
)
def test_pass_at_k_is_the_unbiased_estimate(k: int, n: int, correct: int, value: float) -> None:
    assert pass_at(n, correct, k) == pytest.approx(value)


@needs_jail
def test_the_harness_finds_this_metric_while_tasks_are_loaded() -> None:
    before = hf_evaluate.load
    with jailed():
        assert isinstance(hf_evaluate.load("code_eval"), JailedCodeEval)
    assert hf_evaluate.load is before
