"""metrics.jsonl across attempts."""

from __future__ import annotations

from pathlib import Path

from stages.pretrain.config import PretrainConfig
from stages.shared.metrics import METRICS, read_metrics
from stages.train.log import StepLog, StepRecord

CONFIG = PretrainConfig(tokens="x", tokenizer="x")


def write(work: Path, done: int, until: int, loss: float) -> None:
    log = StepLog(work, CONFIG, done)
    for step in range(done + 1, until + 1):
        log.start_step()
        log.end_step(StepRecord(step=step, loss=loss, lr=1e-3, grad_norm=1.0))
    log.close()


def test_a_resumed_attempt_keeps_the_rows_of_its_checkpoint_and_no_more(tmp_path: Path) -> None:
    write(tmp_path, 0, 7, loss=1.0)
    write(tmp_path, 5, 9, loss=2.0)
    rows = read_metrics(tmp_path / METRICS)
    assert [row["step"] for row in rows] == list(range(1, 10))
    assert [row["loss"] for row in rows] == [1.0] * 5 + [2.0] * 4
    assert rows[-1]["tokens"] == 9 * CONFIG.tokens_per_step


def test_a_line_cut_by_a_kill_is_dropped(tmp_path: Path) -> None:
    write(tmp_path, 0, 3, loss=1.0)
    with (tmp_path / METRICS).open("a") as file:
        file.write('{"step": 4, "tok')
    write(tmp_path, 3, 4, loss=2.0)
    assert [row["step"] for row in read_metrics(tmp_path / METRICS)] == [1, 2, 3, 4]


def test_an_attempt_from_scratch_begins_an_empty_file(tmp_path: Path) -> None:
    write(tmp_path, 0, 3, loss=1.0)
    StepLog(tmp_path, CONFIG, 0).close()
    assert read_metrics(tmp_path / METRICS) == []
