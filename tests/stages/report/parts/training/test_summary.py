from math import inf, nan

from stages.formats.metrics import FIELDS
from stages.formats.telemetry.rank_times import RankTime, RankTimes
from stages.report.parts.training.summary import MAX_READINGS, latest, layer_grid, slowest, spread, summarize


def row(step: int, **more: object) -> dict[str, object]:
    return {**dict.fromkeys(FIELDS, 1.0), "step": step, **more}


def test_the_curve_is_of_batches_that_were_trained_on() -> None:
    rows = [row(1, left_out="overflow"), row(2, left_out="not finite", loss=nan), row(3), row(4, left_out="spike")]
    found = summarize(rows, [], None)
    assert (found.first["step"], found.last["step"]) == (1, 3)
    assert [bad["step"] for bad in found.bad] == [2, 4]
    assert (found.overflows, found.mfu, found.memory_mb, found.ranks, found.layers) == (1, None, None, None, [])


def test_its_speed_is_that_of_most_steps() -> None:
    assert (
        summarize([row(step, tokens_per_s=speed) for step, speed in ((1, 10), (2, 90), (3, 100))], [], None).speed == 90
    )


def test_the_best_step_is_that_of_the_lowest_loss_on_held_out_text() -> None:
    rows = [row(step, heldout=loss) for step, loss in ((1, nan), (2, 2.0), (3, 2.1))]
    found = summarize([*rows, row(4)], [], None)
    assert found.best == rows[1]
    assert found.heldout == rows
    assert summarize([row(1)], [], None).best is None


def test_a_training_of_bad_batches_alone_is_shown_as_it_is() -> None:
    assert summarize([row(1, left_out="not finite", loss=nan)], [], None).first["step"] == 1


def test_stragglers_come_first_and_then_the_slowest() -> None:
    ranks = (
        RankTime(rank=rank, node="n", seconds=(100 + rank) / 1000, memory_mb=1.0, slow=3 * (rank == 2))
        for rank in range(40)
    )
    shown = slowest(RankTimes(step=1, readings=4, ranks=tuple(ranks)))
    assert [rank.rank for rank in shown.shown[:3]] == [2, 39, 38]
    assert (len(shown.shown), shown.total, shown.usual) == (16, 40, 0.119)


def test_a_grid_has_a_row_a_part_and_gaps_where_nothing_is_finite() -> None:
    rows = [{"part": part, "step": step, "norm": value} for step, value in ((5, 1.0), (10, inf)) for part in ("a", "b")]
    assert layer_grid(rows, "norm").values == ((1.0, None), (1.0, None))
    assert latest(rows) == rows[2:]
    many = [{"part": "a", "step": step, "norm": 1.0} for step in range(1000)]
    assert len(layer_grid(many, "norm").steps) == MAX_READINGS


def test_spread_keeps_the_first_and_the_last() -> None:
    assert spread(range(1, 1001), 20)[::19] == [1, 1000]
    assert len(spread(range(1, 1001), 20)) == 20
    assert spread([1, 2, 3], 20) == [1, 2, 3]
