from math import nan

import pytest

from stages.report.parts.training.figures import (
    MAX_POINTS,
    curve_figure,
    layers_figure,
    loss_figure,
    metric_curve,
    thin,
)
from stages.report.parts.training.summary import LayerGrid


def test_long_curves_are_averaged_in_equal_stretches() -> None:
    rows = [{"step": step, "loss": float(step % 2)} for step in range(1, 100_001)]
    points = thin(rows, "loss")
    assert len(points) <= MAX_POINTS
    assert points[-1][0] == 100_000
    assert all(value == pytest.approx(0.5, abs=0.01) for _, value in points)
    assert thin(rows[:2], "loss") == [(1, 1.0), (2, 0.0)]


def test_one_step_is_a_point() -> None:
    assert curve_figure([{"step": 1, "loss": 2.0}], "loss", "--kept", ".3f")["data"][0]["mode"] == "markers"


def test_every_batch_that_was_left_out_is_a_mark_within_the_curves_range() -> None:
    rows = [{"step": step, "loss": 3.0 - step} for step in (1, 2)]
    left_out = [{"step": step, "loss": loss} for step, loss in ((3, 1.5), (4, 7.0), (5, nan))]
    figure = loss_figure(rows, left_out, [])
    marks = figure["data"][1]
    assert (marks["x"], marks["y"]) == ([3, 4, 5], [1.5, 2.0, 2.0])
    assert marks["text"][1:] == ["step 4, left out: 7.000", "step 5, left out: not a number"]
    assert figure["layout"]["yaxis"]["range"] == pytest.approx([0.95, 2.05])


def test_a_long_runs_first_fall_lies_above_the_picture() -> None:
    rows = [{"step": step, "loss": 10.0 if step < 10 else 2.0 - step / 1000} for step in range(700)]
    assert loss_figure(rows, [], [])["layout"]["yaxis"]["range"][1] < 2.1


def test_a_curve_of_no_height_keeps_its_axis() -> None:
    rows = [{"step": 1, "loss": nan}]
    assert "range" not in loss_figure(rows, rows, [])["layout"]["yaxis"]


def test_losses_on_held_out_text_are_a_curve_of_their_own() -> None:
    rows = [{"step": step, "loss": 3.0 - step} for step in (1, 2)]
    figure = loss_figure(rows, [], [{"step": 2, "heldout": 4.0}])
    assert [trace["name"] for trace in figure["data"]] == ["training", "held-out text"]
    assert figure["layout"]["yaxis"]["range"] == pytest.approx([0.85, 4.15])
    assert len(loss_figure(rows, [], [])["data"]) == 1


def test_a_heat_map_is_logarithmic_and_has_gaps() -> None:
    grid = LayerGrid(parts=("embedding", "head"), steps=(10, 1000), values=((1.0, 100.0), (0.0, None)))
    (trace,) = layers_figure(grid)["data"]
    assert trace["z"] == [[0.0, 2.0], [0.0, None]]
    assert trace["text"] == [["1", "100"], ["0", "not finite"]]
    assert trace["x"] == [10, 1000]
    assert trace["colorbar"]["ticktext"] == ["1", "10", "100"]


def test_a_heat_map_of_few_powers_has_ticks_between_them_and_one_of_nothing_none() -> None:
    grid = LayerGrid(parts=("head",), steps=(1, 2), values=((0.04, 0.6),))
    assert layers_figure(grid)["data"][0]["colorbar"]["ticktext"] == ["0.05", "0.1", "0.2", "0.5"]
    assert layers_figure(LayerGrid(parts=("head",), steps=(1,), values=((None,),)))["data"][0]["z"] == [[None]]


def test_a_further_metric_has_its_own_name_and_the_scale_of_its_values() -> None:
    curve = metric_curve([{"step": 1, "reward/mean": -2.5}, {"step": 2, "reward/mean": 0.5}], "reward/mean")
    assert (curve.title, curve.last) == ("reward/mean", 0.5)
    assert curve.figure["layout"]["yaxis"]["rangemode"] == "normal"


def test_the_share_of_the_peak_is_shown_in_percent_from_nought() -> None:
    axis = metric_curve([{"step": 1, "mfu": 0.5}], "mfu").figure["layout"]["yaxis"]
    assert (axis["tickformat"], axis["rangemode"]) == (".0%", "tozero")
