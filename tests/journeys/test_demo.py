"""The demo, whole and real, on this machine: what `python3 launch.py demo` promises."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from jobs.runs import open_run
from stages.formats.documents import read_documents
from stages.formats.funnel import StepCount, merge, read_funnel
from tests.answer_key import KEPT, Verdict, counts, expected
from tests.journeys import golden
from tests.launching import attempts, launch, metrics, step_dir

KILL_AT = 110
MODELS = ("base/final", "instructed/final")
QUESTIONS = 240
"""Questions of the exam `questions` in one language."""


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run the demo once, with its training killed on the way, and return the folder of the run."""
    runs = tmp_path_factory.mktemp("demo runs")  # a path with a space
    launch("demo", "--fault", f"pretrain@{KILL_AT}:kill", runs=runs)
    return runs / "demo"


def keys(run: Path) -> list[dict[str, Any]]:
    files = sorted(step_dir(run, "sample").glob("units/*/key.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def funnel(run: Path) -> list[StepCount]:
    files = sorted(step_dir(run, "web.documents").glob("units/*/funnel.json"))
    return merge(read_funnel(file) for file in files)


def wanted(run: Path) -> dict[str, Verdict]:
    """Return what must become of each page, by id, where English and Chinese are kept."""
    steps = [step.name for step in funnel(run)]
    return {key["id"]: expected(key, ("en", "zh"), steps) for key in keys(run)}


def test_every_planted_bad_page_is_gone_and_the_good_ones_are_kept(demo: Path) -> None:
    kept = {
        document["id"]
        for file in sorted(step_dir(demo, "web.documents").glob("units/*/documents.jsonl.zst"))
        for document in read_documents(file)
    }
    keep = {name for name, verdict in wanted(demo).items() if verdict == KEPT}
    drop = wanted(demo).keys() - keep
    assert len(drop) > 800
    assert kept & drop == set()
    assert len(kept & keep) >= 0.99 * len(keep)


def test_every_page_is_dropped_for_the_reason_it_was_planted_for(demo: Path) -> None:
    found = {(step.name, reason): count for step in funnel(demo) for reason, count in step.reasons.items()}
    assert counts(Counter(found).elements()) == counts(wanted(demo).values())


def test_training_was_killed_and_went_on_from_its_checkpoint(demo: Path) -> None:
    first, second = attempts(demo, "pretrain")
    assert first.end is not None and first.end.exit_code == 137
    assert second.end is not None and second.end.verdict == "done"
    steps = [record["step"] for record in metrics(demo, "pretrain")]
    assert steps == sorted(set(steps))


def results(run: Path, section: str = "evaluate") -> dict[tuple[str, str], dict[str, Any]]:
    found = {}
    for file in sorted(step_dir(run, section).glob("units/*/results.json")):
        record = json.loads(file.read_text())
        key = record["stagecoach"]["key"]
        found[key["source"], key["task"]] = record
    return found


def test_the_model_answers_questions_in_a_form_it_never_saw_for_these_facts(demo: Path) -> None:
    scores = {
        name: record["results"]["facts"]["acc,none"]
        for (name, task), record in results(demo).items()
        if task == "facts"
    }
    assert scores["final"] >= 0.90
    assert abs(scores["untrained"] - 0.25) < 0.12


@pytest.fixture(scope="module")
def exams(demo: Path) -> dict[str, dict[str, float]]:
    """Give the score of each exam by model, and the share of answers to `questions` that do not end."""
    scores: dict[str, dict[str, float]] = {}
    for (model, task), record in results(demo, "exam").items():
        by_task = scores.setdefault(model, {})
        by_task.update(
            (task, value)
            for name, value in record["results"][task].items()
            if name in ("acc,none", "exact_match,named")
        )
        by_task[f"{task} unfinished"] = record["stagecoach"]["unfinished"] / QUESTIONS
    return scores


@pytest.mark.parametrize(("language", "facts"), [("en", "facts"), ("zh", "facts_zh")])
def test_instructions_teach_a_task_that_none_of_them_is_about_and_cost_no_knowledge(
    exams: dict[str, dict[str, float]], language: str, facts: str
) -> None:
    base, instructed = (exams[name] for name in MODELS)
    goods, questions = f"goods_{language}", f"questions_{language}"
    assert instructed[goods] >= base[goods] + 0.25
    assert instructed[questions] >= 0.90
    assert instructed[f"{questions} unfinished"] <= 0.01
    assert instructed[facts] >= base[facts] - 0.03


@pytest.mark.parametrize(("language", "facts"), [("en", "facts"), ("zh", "facts_zh")])
def test_without_instructions_a_model_knows_the_facts_and_guesses_at_questions(
    exams: dict[str, dict[str, float]], language: str, facts: str
) -> None:
    base, untrained = exams[MODELS[0]], exams["base/untrained"]
    assert base[facts] >= 0.90
    assert base[f"questions_{language}"] <= 0.5
    for model, task in ((base, "goods_en"), (untrained, f"goods_{language}"), (untrained, facts)):
        assert abs(model[task] - 0.25) < 0.15


def test_a_second_demo_does_nothing_and_says_so(demo: Path) -> None:
    before = sorted(path.stat().st_mtime_ns for path in demo.glob("steps/*/*/done/*.json"))
    said = launch("demo", runs=demo.parent).stdout
    assert "Nothing to do" in said
    assert "report.html" in said
    assert sorted(path.stat().st_mtime_ns for path in demo.glob("steps/*/*/done/*.json")) == before


def test_a_changed_setting_runs_only_what_lies_downstream_of_it(demo: Path) -> None:
    said = launch("plan", "demo", "--cluster", "local", "--set", "tokens.heldout=0.03", runs=demo.parent).stdout
    by_job = {line.split("  ")[0].strip(): line for line in said.splitlines()}
    assert "reused" in by_job["web ├ filter"]
    assert "reused" in by_job["tokenizer"]
    assert "heldout 0.02 -> 0.03" in said
    assert "reused" not in by_job["pretrain"]


@pytest.fixture(scope="module")
def steps(demo: Path) -> golden.Comparison:
    """Give the digests of the demo's steps beside the golden ones; under STAGECOACH_UPDATE_GOLDEN, renew these."""
    run = open_run([demo.parent], "demo")
    steps = golden.compare(golden.measure(run), run.graph)
    if os.environ.get("STAGECOACH_UPDATE_GOLDEN") and not steps.undeclared:
        golden.write(steps.found)
        steps = golden.compare(steps.found, run.graph)
    return steps


def test_golden_bytes_of_every_step_change_only_with_its_version(steps: golden.Comparison) -> None:
    assert not steps.undeclared, "\n".join(steps.undeclared)
    assert not steps.stale, "\n".join([*steps.stale, f"These steps run again for users. To renew: {golden.RENEW}"])


def test_golden_weights_and_scores_were_compared(steps: golden.Comparison) -> None:
    if steps.left_out:
        pytest.skip(f"{', '.join(steps.left_out)}: the golden digests are of {steps.processor}, this is another one")
