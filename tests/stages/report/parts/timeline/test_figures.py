import pytest

from stages.report.parts.timeline.figures import timeline_figure
from stages.report.parts.timeline.lanes import lay_out
from tests.stages.report.journey import START
from tests.stages.report.parts.timeline.test_lanes import attempt


@pytest.mark.parametrize(("length", "unit"), [(30, "seconds"), (3000, "minutes"), (9000, "hours"), (1e6, "days")])
def test_the_time_axis_has_a_fitting_unit(length: float, unit: str) -> None:
    figure = timeline_figure(lay_out([attempt("a", 0, START, START + length)], START))
    assert figure["layout"]["xaxis"]["title"]["text"] == f"{unit} since the first start"


def test_every_verdict_is_drawn() -> None:
    verdicts = ("done", "requeue", "running", "failed", "never", "bad-node", "lost", "cancelled")
    attempts = [attempt("a", number, START, START + 1, verdict) for number, verdict in enumerate(verdicts)]
    figure = timeline_figure(lay_out(attempts, START + 1))
    assert {trace["name"] for trace in figure["data"]} == set(verdicts)
