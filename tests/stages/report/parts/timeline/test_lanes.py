from stages.report.parts.timeline.lanes import MAX_LANES, lay_out
from stages.report.parts.timeline.read import TimedAttempt


def attempt(job: str, element: int, started: float, ended: float | None, verdict: str = "done") -> TimedAttempt:
    return TimedAttempt(
        job=job, element=element, restart=0, units=(str(element),), slurm_id="", node="n",
        started=started, ended=ended, verdict=verdict, reason="",
    )  # fmt: skip


def test_an_attempt_takes_the_first_lane_that_is_free() -> None:
    timeline = lay_out(
        [attempt("a", 0, 100, 104), attempt("a", 1, 101, 103), attempt("a", 2, 103, 105), attempt("b", 0, 105, 106)],
        200,
    )
    assert [(bar.lane, bar.start, bar.length) for bar in timeline.bars] == [(0, 0, 4), (1, 1, 2), (1, 3, 2), (2, 5, 1)]
    assert [(line.job, line.attempts, line.lanes, line.busy) for line in timeline.jobs] == [
        ("a", 3, 2, 8),
        ("b", 1, 1, 1),
    ]
    assert timeline.wall == 6


def test_one_attempt_that_still_runs_is_drawn_up_to_now() -> None:
    timeline = lay_out([attempt("a", 0, 100, None, "running")], 160)
    assert (timeline.bars[0].length, timeline.wall, timeline.troubles) == (60, 60, [])


def test_a_lost_attempt_and_a_clock_that_ran_back_have_no_length() -> None:
    timeline = lay_out([attempt("a", 0, 100, None, "lost"), attempt("a", 0, 101, 99)], 160)
    assert [bar.length for bar in timeline.bars] == [0, 0]
    assert [trouble.verdict for trouble in timeline.troubles] == ["lost"]


def test_a_crowd_is_one_bar_with_its_troubles_beneath() -> None:
    crowd = [attempt("a", number, 0, 50, "failed" if number == 7 else "done") for number in range(MAX_LANES + 1)]
    timeline = lay_out([*crowd, attempt("b", 0, 60, 61)], 70)
    assert [(bar.lane, bar.verdict) for bar in timeline.bars] == [(0, "done"), (1, "failed"), (2, "done")]
    assert timeline.jobs[0].attempts == MAX_LANES + 1
