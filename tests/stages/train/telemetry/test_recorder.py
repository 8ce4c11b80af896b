"""When what is measured of a run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from stages.formats.metrics import read_metrics
from stages.formats.telemetry.layers import read_layers
from stages.formats.telemetry.rank_times import read_ranks
from tests.stages.train.equal import assert_equal
from tests.stages.train.ranks import Run, digest, train


def test_readings_are_taken_when_they_are_due_and_change_no_weight(run: Run, undisturbed: Run) -> None:
    told = replace(run, config={"log_every": 15, "layer_stats_every": 20})
    assert train(told) == [0]
    assert digest(told) == digest(undisturbed)
    rows = read_metrics(run.out / "metrics.jsonl")
    assert [row["step"] for row in rows if "memory_mb" in row] == [15, 30, 45, 50]
    assert {row["step"] for row in read_layers(run.out / "layers.jsonl")} == {20, 40}
    assert read_ranks(run.out / "ranks.json").readings == 4
    assert read_layers(undisturbed.out / "layers.jsonl") == []


def test_killed_and_stopped_it_has_every_reading_once(run: Run) -> None:
    told = replace(run, config={"steps": 30, "layer_stats_every": 5})
    whole = replace(told, folder=run.folder + "-whole")
    assert train(whole) == [0]
    assert train(replace(told, die_at=17)) == [-9]
    assert train(replace(told, stop_at=21)) == [85]
    assert train(told) == [0]
    assert_equal(told, whole)
    assert (run.out / "layers.jsonl").read_bytes() == (whole.out / "layers.jsonl").read_bytes()
    assert len(list((Path(run.folder) / "work" / "tensorboard").iterdir())) == 3


def test_the_readings_of_a_bad_step_are_those_of_its_first_run(run: Run) -> None:
    bad = replace(run, config={"steps": 12, "log_every": 4, "layer_stats_every": 4}, bad={"8": "layer"}, slow=0.01)
    assert train(bad) == [0]
    # The layer's output is infinite, so is the rest; what came before it has its numbers.
    rows = {(row["step"], row["part"]): row["activation_rms"] for row in read_layers(run.out / "layers.jsonl")}
    assert 0 < rows[8, "layers.0"] < 1
    assert not rows[8, "layers.1"] < 1e9
    assert read_ranks(run.out / "ranks.json").ranks[0].seconds < 0.01 * 16 * 1.9
