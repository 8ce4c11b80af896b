"""The step `alarm`: from results on disk to the report, by training step."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from stages.evaluate.cells import Asked, Cell, cells_of
from stages.evaluate.config import AlarmConfig, EvaluateConfig
from stages.evaluate.series import alarm, in_order, questions
from stages.formats.alarms import read_alarm
from stages.formats.results import EvaluationKey, Outcomes, Results, Score, write_results
from stages.model.config import ModelConfig
from stages.report.parts.evaluation.board import leaderboard
from stages.report.parts.evaluation.comparison import compare
from stages.shared.contract import InputFile
from stages.shared.files import write_json
from stages.shared.task import Task

TASKS = ("arc_easy", "piqa", "generate", "perplexity")
ITEMS = 300


def checkpoint(folder: Path, name: str, step: int | None) -> InputFile:
    """Return a checkpoint's folder with what names its step; None: a folder of Hugging Face's."""
    path = folder / name
    if step is None:
        write_json(path / "config.json", {})
    else:
        write_json(path / "complete.json", {})
        about = {"model": ModelConfig().model_dump(), "vocab_size": 300, "dtype": "fp32", "tokenizer_sha256": "0"}
        write_json(path / "state.json", {**about, "step": step})
    return InputFile(path, name)


def results(task: str, values: list[float], metrics: Mapping[str, bool]) -> Results:
    """Return results of a task with the same values for each metric; a metric is better high or low."""
    key = EvaluationKey(
        checkpoint="0", source="x", task=task, num_fewshot=0, seed=1, limit=None, variant="", prompts="", data="",
        first_token=2, dtype="fp32", backend="own", chat="", template="", adapter="2", harness="lm-eval",
    )  # fmt: skip
    scores = tuple(
        Score(
            task=task,
            metric=name,
            value=0.5,
            stderr=None,
            samples=len(values),
            low=None,
            high=None,
            chance=None,
            higher_is_better=high,
        )
        for name, high in metrics.items()
    )
    items = tuple(f"q{number}" for number in range(len(values)))
    outcomes = {task: Outcomes(items=items, values={name: tuple(values) for name in metrics})}
    return Results(key=key, scores=scores, outcomes=outcomes)


def run(tmp_path: Path, damaged: str = "") -> Path:
    """Run the step over nine checkpoints, one of which may be worse on piqa; return its folder."""
    config = EvaluateConfig(tasks=TASKS, alarm=AlarmConfig())  # type: ignore[arg-type]
    draw = random.Random(4)
    names = {"final": 80, "untrained": 0, "best": 70, **{f"step_{step}": step for step in (80, 70, 60, 50, 40, 30)}}
    checkpoints = tuple(checkpoint(tmp_path, name, step) for name, step in names.items())
    folders = []
    for name in names:
        for cell in config.cells():
            folder = tmp_path / "units" / name / cell.task
            folders.append(folder)
            lost = 0.3 if name == damaged and cell.task == "piqa" else 0.0
            values = [float(number % 3 > 0 and draw.random() > lost) for number in range(ITEMS)]
            metrics = {"acc": True, "acc_norm": True} if cell.task != "perplexity" else {"bits_per_byte": False}
            if cell.task != "generate":
                folder.mkdir(parents=True)
                write_results(folder / "results.json", results(cell.task, values, metrics), {})
    out = tmp_path / "out"
    out.mkdir()
    summary = alarm(
        Task(
            config=config,
            step="alarm",
            unit="all",
            inputs={"checkpoints": checkpoints},
            steps={"": tuple(folders)},
            out=out,
            work=tmp_path,
            run_dir=tmp_path,
            shared=tmp_path,
        )
    )
    assert summary["state"] == (read_alarm(out / "alarm.json").nights[-1].state)
    return out / "alarm.json"


def test_a_worse_checkpoint_is_named_with_its_task_and_its_samples(tmp_path: Path) -> None:
    report = read_alarm(run(tmp_path, damaged="final"))
    assert [night.checkpoint for night in report.nights] == [
        "step_30",
        "step_40",
        "step_50",
        "step_60",
        "best",
        "final",
    ]
    assert [night.state for night in report.nights] == ["early", "early", "early", "calm", "calm", "alarm"]
    last = report.nights[-1]
    assert last.drops[0].task == "piqa"
    assert 20 < len(report.flipped["piqa"]) <= 50
    assert last.reference == ("step_40", "step_50", "step_60")


def test_a_calm_training_raises_none(tmp_path: Path) -> None:
    assert {night.state for night in read_alarm(run(tmp_path)).nights} == {"early", "calm"}


def test_folders_without_a_step_keep_their_order(tmp_path: Path) -> None:
    mixed = [checkpoint(tmp_path, "b", None), checkpoint(tmp_path, "a", 7)]
    assert in_order(mixed) == ["b", "a"]
    assert in_order([checkpoint(tmp_path, "c", 0), checkpoint(tmp_path, "d", 7)]) == ["d"]


@pytest.mark.parametrize(
    ("metrics", "has"),
    [
        ({"acc_norm": True, "acc": True}, True),
        ({"bits_per_byte": False}, False),
        ({"exact_match (flexible)": True}, True),
    ],
)
def test_the_main_metric_is_a_mean_of_right_answers(metrics: dict[str, bool], has: bool) -> None:
    (cell,) = cells_of(EvaluateConfig(tasks=("piqa",)).tasks, Asked())  # type: ignore[arg-type]
    assert isinstance(cell, Cell)
    assert bool(questions(results("piqa", [1.0, 0.0], metrics), cell)) is has
    assert questions(results("piqa", [1.0, 7.0], metrics), cell) == {}


def test_the_alarm_watches_the_metric_that_the_leaderboard_shows() -> None:
    found = results("hellaswag", [1.0, 0.0], {"acc": True, "acc_norm": True, "exact_match": True})
    outcomes = {"hellaswag": Outcomes(items=("q",), values={"acc": (0.0,), "acc_norm": (1.0,), "exact_match": (0.5,)})}
    (cell,) = cells_of(EvaluateConfig(tasks=("hellaswag",)).tasks, None, None)  # type: ignore[arg-type]
    assert list(questions(replace(found, outcomes=outcomes), cell).values()) == [1.0]
    (column,) = leaderboard([found], compare([found])).columns
    assert column.metric == "acc_norm"
