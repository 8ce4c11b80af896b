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
    """Return what must become of each page, by id, where English is kept."""
    steps = [step.name for step in funnel(run)]
    return {key["id"]: expected(key, ("en",), steps) for key in keys(run)}


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


def test_instructions_teach_a_task_that_none_of_them_is_about_and_cost_no_knowledge(demo: Path) -> None:
    found = {
        (model, task): record["results"][task]
        for (model, task), record in results(demo, "exam").items()
        if model.endswith("/final")
    }
    base, instructed = ({task: found[model, task] for model, task in found if model == name} for name in MODELS)
    assert instructed["goods_en"]["acc,none"] >= base["goods_en"]["acc,none"] + 0.25
    assert abs(base["goods_en"]["acc,none"] - 0.25) < 0.15
    assert instructed["questions_en"]["exact_match,named"] >= 0.90
    assert instructed["facts"]["acc,none"] >= base["facts"]["acc,none"] - 0.03
    assert results(demo, "exam")[MODELS[1], "questions_en"]["stagecoach"]["unfinished"] <= 0.01 * 240


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
