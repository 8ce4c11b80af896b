"""Event files as TensorBoard itself reads them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from stages.train.telemetry.tensorboard import FOLDER, Board, publish_board


def row(step: int, loss: float, **more: Any) -> dict[str, Any]:
    return {"step": step, "loss": loss, "lr": 1e-3, "grad_norm": 1.0, "tokens_per_s": 50.0, "wall_time": 1e9, **more}


def read(folder: Path) -> EventAccumulator:
    events = EventAccumulator(str(folder))
    events.Reload()
    return events


def curve(folder: Path, name: str) -> list[tuple[int, float]]:
    return [(event.step, event.value) for event in read(folder).Scalars(name)]


def test_a_later_attempt_takes_the_place_of_what_came_after_its_checkpoint(tmp_path: Path) -> None:
    for done, loss in ((0, 1.0), (5, 2.0), (5, 3.0), (12, 4.0)):
        board = Board(tmp_path, done)
        for step in range(done + 1, done + 11):
            board.add_row(row(step, loss))
        board.flush()  # and no close: the attempt is killed
    steps = [step for step, _ in curve(tmp_path / FOLDER, "train/loss")]
    assert steps == list(range(1, 23))
    assert [loss for _, loss in curve(tmp_path / FOLDER, "train/loss")] == [1.0] * 5 + [3.0] * 7 + [4.0] * 10
    publish_board(tmp_path, tmp_path / "out")
    assert curve(tmp_path / "out" / FOLDER, "train/loss") == curve(tmp_path / FOLDER, "train/loss")


def test_curves_are_those_that_a_row_has_and_a_batch_left_out_says_why(tmp_path: Path) -> None:
    board = Board(tmp_path, 0)
    board.add_row(row(1, 2.0))
    board.add_row(row(2, math.nan, mfu=0.4, left_out="not finite", why="layers.1.mlp"))
    board.add_layers(
        [
            {
                "step": 2,
                "part": "head",
                **dict.fromkeys(("weight_norm", "weight_max"), 1.0),
                "grad_norm": 2.0,
                "activation_rms": 3.0,
            }
        ]
    )
    board.close()
    events = read(tmp_path / FOLDER)
    names = {"train/loss", "train/lr", "train/grad_norm", "speed/tokens_per_s", "speed/mfu"}
    assert names < set(events.Tags()["scalars"])
    assert [event.step for event in events.Scalars("speed/mfu")] == [2]
    assert events.Scalars("grad_norm/head")[0].value == 2.0
    (text,) = events.Tensors("left out/text_summary")
    assert text.tensor_proto.string_val == [b"not finite: layers.1.mlp"]


def test_without_event_files_nothing_is_published(tmp_path: Path) -> None:
    publish_board(tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()
