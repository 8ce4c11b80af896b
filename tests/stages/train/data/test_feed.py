"""The default feed: an arithmetic of the step."""

from __future__ import annotations

from typing import Any

import pytest
from megatron.core import parallel_state

from stages.train.data.feed import InOrder, Window
from stages.train.data.read_ahead import ReadAhead
from tests.stages.train.data.written import NO_MODELS, settings


def test_steps_take_samples_in_order_also_where_the_batch_grows() -> None:
    ramp = {"start": 4, "increment": 2, "sequences": 12}
    feed = InOrder(lambda sequences: range(sequences.taken), settings(steps=6, global_batch=8, ramp=ramp).schedule)
    taken = [feed.take(step, {}, NO_MODELS) for step in range(6)]
    assert [number for samples, _ in taken for number in samples] == list(range(4 + 4 + 6 + 8 + 8 + 8))
    assert all(state == {} for _, state in taken)
    assert [*feed.take(3, {}, NO_MODELS)[0]] == [*taken[3][0]]


@pytest.mark.parametrize("rank", [0, 1])
def test_a_rank_reads_its_share_of_the_next_step_ahead_and_takes_the_same(
    rank: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parallel_state, "get_data_parallel_rank", lambda: rank)
    expected: list[list[int]] = []
    expect = ReadAhead.expect
    monkeypatch.setattr(ReadAhead, "expect", lambda self, numbers: (expected.append([*numbers]), expect(self, numbers)))
    ramp = {"start": 4, "increment": 4, "sequences": 8}
    schedule = settings(steps=4, global_batch=8, ramp=ramp).schedule
    plain, ahead = (InOrder(lambda n: range(n.taken), schedule, reads_ahead_of=ranks) for ranks in (0, 2))
    for step in (0, 1, 2, 1, 2, 3):  # the guard went back
        assert [*ahead.take(step, {}, NO_MODELS)[0]] == [*plain.take(step, {}, NO_MODELS)[0]]
    mine = {0: range(4), 1: range(4, 8), 2: range(8, 16), 3: range(16, 24), 4: range(0)}
    half = {step: [*each[rank * len(each) // 2 : (rank + 1) * len(each) // 2]] for step, each in mine.items()}
    assert expected == [half[step] + half[step + 1] for step in (0, 1, 2, 1, 2, 3)]


def test_a_window_ends_where_it_ends() -> None:
    window = Window(range(100), 10, 3)
    assert (len(window), [*window]) == (3, [10, 11, 12])
    with pytest.raises(IndexError, match="sample 3 of 3"):
        window[3]


def test_a_continued_training_goes_on_behind_what_was_read() -> None:
    built = []

    def build(sequences: Any) -> Any:
        built.append((sequences.taken, sequences.planned))
        return range(sequences.taken)

    feed = InOrder(build, settings(steps=6, global_batch=8).schedule)
    start = {"step": 4, "sequences": 100, "planned": 110}
    taken = [[*feed.take(step, start, NO_MODELS)[0]] for step in (4, 5)]
    assert taken == [[*range(100, 108)], [*range(108, 116)]]
    assert built == [(116, 110)]
    assert settings(steps=6, global_batch=8).schedule.sequences({"step": 4, "sequences": 0}).planned == 16
