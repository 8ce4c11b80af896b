import pytest

from stages.report.figures import (
    MAX_POINTS,
    curve_figure,
    label,
    layers_figure,
    loss_figure,
    scores_figure,
    thin,
    timeline_figure,
)
from stages.report.timeline import lay_out
from stages.report.training import Grid
from tests.stages.report.journey import START
from tests.stages.report.test_timeline import attempt


def test_long_curves_are_averaged_in_equal_stretches() -> None:
    rows = [{"step": step, "loss": float(step % 2)} for step in range(1, 100_001)]
    points = thin(rows, "loss")
    assert len(points) <= MAX_POINTS
    assert points[-1][0] == 100_000
    assert all(value == pytest.approx(0.5, abs=0.01) for _, value in points)
    assert thin(rows[:2], "loss") == [(1, 1.0), (2, 0.0)]


def test_one_step_is_a_point() -> None:
    assert curve_figure([{"step": 1, "loss": 2.0}], "loss", "--kept", ".3f")["data"][0]["mode"] == "markers"


def test_losses_of_batches_that_were_left_out_are_marks_where_they_are_numbers() -> None:
    rows = [{"step": 1, "loss": 2.0}, {"step": 3, "loss": 1.9}]
    marks = loss_figure(rows, [{"step": 2, "loss": 7.0}, {"step": 4, "loss": float("nan")}])["data"][1]
    assert (marks["x"], marks["y"]) == ([2], [7.0])
    assert len(loss_figure(rows, [])["data"]) == 1


def test_a_heat_map_tells_powers_of_ten_apart_and_has_gaps() -> None:
    grid = Grid(parts=("embedding", "head"), steps=(10, 1000), values=((1.0, 100.0), (0.0, None)))
    (trace,) = layers_figure(grid)["data"]
    assert trace["z"] == [[0.0, 2.0], [None, None]]
    assert trace["text"] == [["1", "100"], ["0", "not finite"]]
    assert trace["x"] == ["10", "1,000"]


def test_without_a_chance_level_there_is_no_picture_of_scores() -> None:
    assert scores_figure([]) is None


@pytest.mark.parametrize(("length", "unit"), [(30, "seconds"), (3000, "minutes"), (9000, "hours"), (1e6, "days")])
def test_the_time_axis_has_a_fitting_unit(length: float, unit: str) -> None:
    figure = timeline_figure(lay_out([attempt("a", 0, START, START + length)], START))
    assert figure["layout"]["xaxis"]["title"]["text"] == f"{unit} since the first start"


def test_labels_are_literal_and_short() -> None:
    assert label("<b>&amp;") == "&lt;b&gt;&amp;amp;"
    assert len(label("x" * 500)) < 60
