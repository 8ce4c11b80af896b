"""The demo's journey as job arrays on four real Slurm nodes ends with the same bytes as on this machine alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.launching import attempts, launch, metrics, shard_files, step_dir

SHORT = ("--set", "sample.pages=600", "--set", "pretrain.steps=40", "--set", "pretrain.warmup_steps=5")


@pytest.fixture(scope="module")
def both(testbed: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Run a short demo here and on the testbed; return both run folders."""
    runs = tmp_path_factory.mktemp("both")
    launch("demo", *SHORT, runs=runs)
    launch("demo", *SHORT, "--cluster", "testbed", runs=runs)
    return runs / "demo", runs / "demo-testbed"


@pytest.mark.parametrize(
    "job", ["sample", "web.extract", "web.documents", "tokenizer", "tokens.encode", "tokens.merge"]
)
def test_data_files_are_identical(both: tuple[Path, Path], job: str) -> None:
    here, there = (shard_files(run, job) for run in both)
    assert here
    assert here == there


def test_weights_are_identical_for_the_same_layout(both: tuple[Path, Path]) -> None:
    here, there = (step_dir(run, "pretrain") / "shards" / "00000" / "weights.sha256" for run in both)
    assert here.read_text() == there.read_text()


def test_pretraining_spanned_nodes(both: tuple[Path, Path]) -> None:
    (attempt,) = attempts(both[1], "pretrain")
    assert "-" in attempt["nodes"] or "," in attempt["nodes"], attempt["nodes"]


def test_eight_ranks_train_to_the_losses_of_one(
    testbed: dict[str, str], tokens: dict[str, str], tmp_path: Path
) -> None:
    ready = [f"{job}.{field}={path}" for job in ("single", "parallel") for field, path in tokens.items()]
    settings = [word for setting in ready for word in ("--set", setting)]
    launch("run", "parallel-check", "--cluster", "testbed", "--name", "check", "--wait", *settings, runs=tmp_path)
    single, parallel = (metrics(tmp_path / "check", job) for job in ("single", "parallel"))
    assert len(single) == len(parallel) == 50
    worst = max(abs(one["loss"] - other["loss"]) for one, other in zip(single, parallel, strict=True))
    print(f"largest difference over 50 steps: {worst:.2e}")
    assert worst <= 1e-4
    layout = json.loads((step_dir(tmp_path / "check", "parallel") / "job.json").read_text())["config"]["layout"]
    assert (layout["tp"], layout["pp"], layout["dp"]) == (2, 2, 2)
