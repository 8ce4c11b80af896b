"""The training loop on real ranks: the same run in every layout, and through every way of being stopped."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from stages.formats.metrics import read_metrics
from stages.formats.readings import read_readings
from stages.shared.log import parse_log
from tests.stages.train.equal import assert_equal
from tests.stages.train.ranks import (
    CHECKPOINTED,
    Run,
    digest,
    losses,
    train,
    write_run,
)

ROOT = Path(__file__).parents[3]


def test_the_loss_falls_and_every_step_is_in_the_metrics(undisturbed: Run) -> None:
    rows = read_metrics(undisturbed.out / "metrics.jsonl")
    assert [row["step"] for row in rows] == list(range(1, 51))
    assert [row["tokens"] for row in rows] == [256 * step for step in range(1, 51)]
    assert rows[0]["loss"] == pytest.approx(5.95, abs=0.1)  # ln(384), the padded vocabulary
    assert rows[-1]["loss"] < 3.0
    assert undisturbed.checkpoints == ["step-0000040", "step-0000050"]


def test_eight_ranks_in_three_dimensions_repeat_one_ranks_losses(eight: Run, undisturbed: Run) -> None:
    assert max(abs(a - b) for a, b in zip(losses(eight), losses(undisturbed), strict=True)) < 1e-4


def test_killed_after_a_step_it_goes_on_from_the_checkpoint_before(run: Run, undisturbed: Run) -> None:
    assert train(replace(run, die_at=11)) == [-9]
    assert len(read_metrics(Path(run.folder) / "work" / "metrics.jsonl")) == 11
    assert train(run) == [0]
    assert_equal(run, undisturbed)


def test_when_one_rank_dies_its_peers_fail_and_the_run_goes_on_later(run: Run, undisturbed_pair: Run) -> None:
    pair = replace(run, config=undisturbed_pair.config)
    codes = train(replace(pair, die_at=15))
    assert codes[1] == -9
    assert codes[0] not in (0, CHECKPOINTED)
    assert train(pair) == [0, 0]
    assert_equal(pair, undisturbed_pair)


def test_a_stop_heard_by_one_rank_checkpoints_all_at_that_step(run: Run, undisturbed_pair: Run) -> None:
    pair = replace(run, config=undisturbed_pair.config)
    assert train(replace(pair, stop_at=7)) == [CHECKPOINTED, CHECKPOINTED]
    assert pair.checkpoints == ["step-0000007"]
    assert train(replace(pair, stop_at=23)) == [CHECKPOINTED, CHECKPOINTED]
    assert train(pair) == [0, 0]
    assert_equal(pair, undisturbed_pair)


def test_a_stop_before_the_first_step_still_makes_a_step(run: Run) -> None:
    short = replace(run, config={"steps": 3, "warmup_steps": 1})
    assert train(replace(short, stop_at=1)) == [CHECKPOINTED]
    assert train(replace(short, stop_at=1)) == [CHECKPOINTED]
    assert train(replace(short, stop_at=1)) == [0]  # the last step's stop finds the work done


def test_started_as_a_module_a_rank_says_what_it_does_and_starts_no_process(run: Run, undisturbed: Run) -> None:
    assert train(replace(run, stop_at=25)) == [CHECKPOINTED]
    (Path(run.folder) / "work" / "checkpoints" / "step-0000025" / "complete.json").unlink()
    command = [sys.executable, "-W", "ignore", "-m", "tests.stages.train.ranks", str(write_run(run)), "0"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        seen = set()
        while process.poll() is None:
            seen.update(children.read_text().split() if children.exists() else ())
            time.sleep(0.01)
        said, warned = (process.stdout.read(), process.stderr.read()) if process.stdout and process.stderr else ("", "")
    assert process.returncode == 0, warned
    assert not seen
    assert "step-0000025: incomplete or damaged checkpoint (no readable complete.json)" in warned
    lines = [entry.message for entry in parse_log(warned.splitlines()) if entry.level == "info"]
    assert [line.split()[0] for line in lines[:4]] == ["source", "source", "continuing", "curves:"]
    assert [line.split("  ")[0] for line in lines[4:]] == ["step 40/50", "step 50/50"]
    assert said == ""
    assert_equal(run, undisturbed)


def test_bfloat16_trains_and_resumes_exactly(run: Run) -> None:
    half = replace(run, config={"dtype": "bf16", "steps": 20, "layout": {"dp": 2}})
    whole = replace(half, folder=run.folder + "-whole")
    assert train(whole) == [0, 0]
    assert train(replace(half, die_at=15))[1] == -9
    assert train(half) == [0, 0]
    assert_equal(half, whole)
    assert losses(whole)[-1] < losses(whole)[0] - 1


def test_the_summary_says_what_was_made(undisturbed: Run) -> None:
    summary = json.loads((Path(undisturbed.folder) / "summary.json").read_text("utf-8"))
    assert summary["weights_sha256"] == digest(undisturbed).strip()
    assert (summary["step"], summary["tokens"]) == (50, 50 * 256)
    assert summary["loss"] == losses(undisturbed)[-1]
    large, small = read_readings(undisturbed.out / "readings.json")
    assert (large.source, small.source) == ("tokens-large", "tokens-small")
    assert large.epochs == small.epochs == pytest.approx(50 * 256 / (large.tokens + small.tokens))
