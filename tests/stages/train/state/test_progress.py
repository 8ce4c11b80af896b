"""A position in a training, as a checkpoint holds it."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.shared.errors import DataError
from stages.train.state.progress import Best, Progress, read_progress


def test_a_position_comes_back_from_a_state_that_holds_more() -> None:
    progress = Progress(step=7, feed={"place": 56})
    assert read_progress({**progress.model_dump(mode="json"), "dtype": "fp32"}, Path("x")) == progress


def test_the_lowest_loss_that_was_measured_is_the_best() -> None:
    progress = Progress(step=10).measured(None)
    assert progress.best is None
    assert progress.measured(float("nan")).best is None
    progress = progress.measured(2.5)
    assert progress.best == Best(step=10, loss=2.5)
    later = progress.model_copy(update={"step": 20})
    assert later.measured(2.5).best == later.measured(float("nan")).best == progress.best
    assert later.measured(2.0).best == Best(step=20, loss=2.0)
    assert read_progress(later.model_dump(mode="json"), Path("x")) == later


@pytest.mark.parametrize("change", [{"step": -1}, {"feed": None}, {"feed": "many"}])
def test_a_misstated_position_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(DataError, match=r"x: state\.json lacks or misstates"):
        read_progress({**Progress().model_dump(), **change}, Path("x"))


def test_a_position_without_a_part_is_refused() -> None:
    with pytest.raises(DataError, match="lacks or misstates 'tokens'"):
        read_progress({"step": 1}, Path("x"))
