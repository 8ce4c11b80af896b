"""Training in parallel on the nodes of a real Slurm computes what one process computes."""

from __future__ import annotations

import json
from pathlib import Path

from tests.launching import launch, metrics


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
    (assigned,) = (tmp_path / "check" / "ledger" / "assignments" / "parallel").glob("*.json")
    layout = json.loads(assigned.read_text())["config"]["layout"]
    assert (layout["tp"], layout["pp"], layout["dp"]) == (2, 2, 2)
