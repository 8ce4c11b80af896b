"""The law on the page: its exponent, the check, the figure."""

from __future__ import annotations

from pathlib import Path

from stages.formats.kinds import KINDS
from stages.formats.telemetry.scaling import write_law
from stages.report.part import Material, View
from stages.report.parts.scaling.part import figure, show
from tests.stages.formats.telemetry.test_scaling import LAW
from tests.stages.report.journey import START, made
from tests.stages.report.test_page import page_of


def test_a_check_that_fails_is_said(tmp_path: Path) -> None:
    write_law(tmp_path / "law", LAW)
    files = (made(KINDS.scaling, "scaling", tmp_path / "law"),)
    shown = show(Material(section="scaling", files=files, run_dir=tmp_path, made=START))
    assert isinstance(shown, View)
    assert [card.value for card in shown.cards] == [-0.05]
    page = page_of(scaling=shown)
    assert 'data-holds="no"' in page
    assert "which has 4.000: outside the interval" in page
    assert '<tr data-predicted="small">' in page


def test_predictions_have_their_intervals_in_the_figure() -> None:
    line, points, predicted = figure(LAW)["data"]
    assert (points["y"], predicted["y"]) == ([4.0], [4.0])
    assert predicted["error_y"]["array"][0] > 0
    assert len(line["x"]) == 40
