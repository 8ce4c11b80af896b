import pytest

from stages.formats.results import Results
from stages.report.parts.evaluation.comparison import compare
from stages.report.parts.evaluation.curves import curves
from stages.report.parts.evaluation.figures import MAX_CHECKPOINTS, MAX_TICKS, curve_figure, scores_figure
from tests.stages.report.journey import evaluation_key, score


def test_without_a_chance_level_there_is_no_figure_of_scores() -> None:
    assert scores_figure([]) is None


def test_every_checkpoint_is_a_trace_beside_that_of_chance() -> None:
    results = [
        Results(
            key=evaluation_key(source),
            scores=(score("t", "acc", value, 0.03, chance=0.25), score("t", "ppl", 3.0, None)),
        )
        for source, value in (("final", 0.9), ("untrained", 0.3))
    ]
    figure = scores_figure(compare(results))
    assert figure is not None
    assert [(trace["name"], trace["x"]) for trace in figure["data"]] == [
        ("chance", [0.25]), ("untrained", [0.3]), ("final", [0.9]),
    ]  # fmt: skip


def results(names: list[str], **more: float) -> list[Results]:
    return [
        Results(key=evaluation_key(name), scores=(score("t", "acc", 0.3 + place / 100, 0.005, **more),))
        for place, name in enumerate(names)
    ]


def test_of_many_checkpoints_the_untrained_and_the_newest_are_in_the_figure() -> None:
    figure = scores_figure(compare(results(["untrained", *(f"step-{n}" for n in range(1, 30))], chance=0.25)))
    assert figure is not None
    names = [trace["name"] for trace in figure["data"]]
    assert names == ["chance", "untrained", "step-27", "step-28", "step-29"]
    assert len(names) == MAX_CHECKPOINTS + 1


def test_a_share_without_a_level_of_chance_is_in_the_figure() -> None:
    figure = scores_figure(compare(results(["final"])))
    assert figure is not None
    assert [trace["name"] for trace in figure["data"]] == ["final"]


def test_a_curve_has_a_band_a_fit_and_levels() -> None:
    (curve,) = curves(compare(results(["untrained", *(f"step-{n}" for n in range(10, 30))], chance=0.25)))
    figure = curve_figure(curve)
    band, points, fit, chance, untrained = figure["data"]
    assert (len(band["x"]), len(points["x"])) == (40, 20)
    assert fit["name"] == "power law"
    assert (fit["x"][0], fit["x"][-1]) == (10, pytest.approx(29))
    assert (chance["y"], untrained["y"]) == ([0.25, 0.25], [0.3, 0.3])
    ticks = figure["layout"]["xaxis"]["tickvals"]
    assert (ticks[0], ticks[-1], len(ticks)) == (10, 29, MAX_TICKS)
