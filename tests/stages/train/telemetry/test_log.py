"""What a run says of itself, across attempts."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from stages.formats.kinds import KINDS
from stages.formats.metrics import read_metrics
from stages.formats.telemetry.layers import FIELDS, read_layers
from stages.formats.telemetry.rank_times import read_ranks
from stages.pretrain.config import PretrainConfig
from stages.shared.log import parse_log
from stages.train.stability.guard import Trouble
from stages.train.state.progress import Best
from stages.train.telemetry import log as log_module
from stages.train.telemetry.log import StepLog, StepRecord, publish, take_over
from stages.train.telemetry.stragglers import RankReading
from stages.train.telemetry.tensorboard import FOLDER

CONFIG = PretrainConfig(tokens="x", tokenizer="x", steps=40, warmup_steps=0, tensorboard=False)
READING = RankReading((0.1, 0.1), (100.0, 200.0))


def record(step: int, loss: float, trouble: Trouble | None = None) -> StepRecord:
    return StepRecord(
        step=step, tokens=step * CONFIG.tokens_per_step, loss=loss, lr=1e-3, grad_norm=1.0, trouble=trouble
    )


def opened(work: Path, done: int, config: PretrainConfig = CONFIG) -> StepLog:
    return StepLog(work, config, done, vocab_size=300, nodes=["n1", "n2"])


def write(work: Path, done: int, until: int, loss: float, config: PretrainConfig = CONFIG) -> None:
    log = opened(work, done, config)
    for step in range(done + 1, until + 1):
        log.start_step()
        layers = [{**dict.fromkeys(FIELDS, loss), "step": step, "part": "head"}] if step % 2 == 0 else []
        log.end_step(record(step, loss), layers, READING if step % 4 == 0 else None)
    log.close()


def test_a_resumed_attempt_keeps_the_rows_of_its_checkpoint_and_no_more(tmp_path: Path) -> None:
    write(tmp_path, 0, 7, loss=1.0)
    write(tmp_path, 5, 9, loss=2.0)
    rows = read_metrics(tmp_path / KINDS.metrics.file)
    assert [row["step"] for row in rows] == list(range(1, 10))
    assert [row["loss"] for row in rows] == [1.0] * 5 + [2.0] * 4
    assert rows[-1]["tokens"] == 9 * CONFIG.tokens_per_step
    assert [(row["step"], row["grad_norm"]) for row in read_layers(tmp_path / KINDS.layers.file)] == [
        (2, 1),
        (4, 1),
        (6, 2),
        (8, 2),
    ]


def test_a_line_cut_by_a_kill_is_dropped(tmp_path: Path) -> None:
    write(tmp_path, 0, 3, loss=1.0)
    for name in (KINDS.metrics.file, KINDS.layers.file):
        with (tmp_path / name).open("a") as file:
            file.write('{"step": 4, "tok')
    write(tmp_path, 3, 4, loss=2.0)
    assert [row["step"] for row in read_metrics(tmp_path / KINDS.metrics.file)] == [1, 2, 3, 4]
    assert [row["step"] for row in read_layers(tmp_path / KINDS.layers.file)] == [2, 4]


def messages(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Return the messages logged so far."""
    return [entry.message for entry in parse_log(capsys.readouterr().err.splitlines())]


def test_an_attempt_from_scratch_begins_an_empty_file(tmp_path: Path) -> None:
    write(tmp_path, 0, 3, loss=1.0)
    opened(tmp_path, 0).close()
    assert read_metrics(tmp_path / KINDS.metrics.file) == []


def test_a_batch_that_was_left_out_is_in_its_row_and_on_the_console(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = opened(tmp_path, 0)
    log.end_step(record(1, 9.0, Trouble("spike", "loss 9", back_to=0)), [], None)
    log.end_step(record(2, 3.0, Trouble("overflow", "too large")), [], None)
    log.close()
    spike, overflow = read_metrics(tmp_path / KINDS.metrics.file)
    assert {name: spike[name] for name in ("left_out", "why", "sequences", "back_to")} == {
        **{"left_out": "spike", "why": "loss 9", "sequences": [0, 15], "back_to": 0}
    }
    assert (overflow["left_out"], overflow.get("back_to")) == ("overflow", None)
    assert messages(capsys) == ["step 1: left out, spike: loss 9; sequences 0 to 15"]


def test_a_line_now_and_then_has_speed_use_memory_and_the_time_left(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_module, "peak_here", lambda _dtype: 1e9)
    now = iter(range(1000, 9999, 10))
    monkeypatch.setattr(log_module, "time", SimpleNamespace(monotonic=lambda: float(next(now)), time=time.time))
    write(tmp_path, 0, 4, loss=1.0)
    # 4 steps of 2,048 tokens; the clock is asked every 10 s, 10 times from the start to the line.
    (line,) = messages(capsys)
    parts = line.split("  ")
    assert parts[:3] == ["step 4/40", "loss 1.0000", "lr 1.00e-03"]
    assert parts[3] == f"{4 * CONFIG.tokens_per_step / 100:,.0f} tokens/s"
    row = read_metrics(tmp_path / KINDS.metrics.file)[-1]
    assert parts[4:] == [f"{100 * row['mfu']:.1f} % of the peak", "200 MB", "15 min left"]
    assert row["mfu"] > 0
    assert row["memory_mb"] == 200


def test_a_finished_run_publishes_what_there_is(tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"tensorboard": True})
    write(tmp_path / "work", 0, 4, loss=1.0, config=config)
    assert publish(tmp_path / "work", tmp_path / "out")["step"] == 4
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        KINDS.layers.file,
        KINDS.metrics.file,
        KINDS.rank_times.file,
        "tensorboard",
    ]
    assert read_ranks(tmp_path / "out" / KINDS.rank_times.file).ranks[1].node == "n2"


def test_where_an_attempt_goes_on_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    opened(tmp_path, 7).close()
    assert messages(capsys) == ["continuing after step 7 of 40"]


def test_the_loss_on_what_is_held_out_has_its_line_and_its_time_is_not_the_steps(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = opened(tmp_path, 0)
    log.start_step()
    time.sleep(0.2)
    log.end_step(replace(record(1, 3.0), heldout=2.5, apart=0.19), [], None)
    log.log_heldout(1, 2.5, Best(step=1, loss=2.5))
    log.log_heldout(2, 2.75, Best(step=1, loss=2.5))
    log.close()
    (row,) = read_metrics(tmp_path / KINDS.metrics.file)
    assert row["heldout"] == 2.5
    assert row["tokens_per_s"] > CONFIG.tokens_per_step / 0.1
    assert messages(capsys) == [
        "step 1: held-out loss 2.5000, the lowest so far",
        "step 2: held-out loss 2.7500, above step 1's 2.5000",
    ]


def test_what_another_run_said_comes_along_as_far_as_it_is_there(tmp_path: Path) -> None:
    write(tmp_path / "theirs", 0, 4, loss=1.0, config=CONFIG.model_copy(update={"tensorboard": True}))
    take_over(tmp_path / "theirs", tmp_path / "ours")
    assert read_metrics(tmp_path / "ours" / KINDS.metrics.file) == read_metrics(
        tmp_path / "theirs" / KINDS.metrics.file
    )
    assert read_layers(tmp_path / "ours" / KINDS.layers.file) == read_layers(tmp_path / "theirs" / KINDS.layers.file)
    assert len(list((tmp_path / "ours" / FOLDER).iterdir())) == 1
    take_over(tmp_path / "nowhere", tmp_path / "none")
    assert not (tmp_path / "none").exists()
