"""The batch's size and the learning rate, step by step."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from stages.pretrain.config import PretrainConfig
from stages.shared.errors import ConfigError
from stages.train.data.schedule import sizes, steps_for
from stages.train.sections import RampConfig

RAMPS = [
    ({"start": 8, "increment": 8, "sequences": 100}, 32),
    ({"start": 4, "increment": 4, "sequences": 30}, 40),  # a share is less than a batch: sizes are skipped
    ({"start": 192, "increment": 16, "sequences": 9_765_625}, 2048),  # BLOOM's
    ({"start": 1, "increment": 1, "sequences": 1}, 3),
]


def make(**settings: Any) -> PretrainConfig:
    return PretrainConfig(tokens="x", tokenizer="x", **{"microbatch": 1, "warmup_steps": 1, **settings})


def rates(**settings: Any) -> list[float]:
    config = make(lr=1.0, **settings)
    return [config.schedule.learning_rate(step) for step in range(1, config.steps + 1)]


def test_it_rises_to_the_peak_and_falls_to_its_share() -> None:
    lr = rates(steps=100, warmup_steps=10, min_lr_ratio=0.1)
    assert lr[0] == pytest.approx(0.1)
    assert lr[9] == pytest.approx(1.0)
    assert lr[54] == pytest.approx(0.55)  # half way down
    assert lr[99] == pytest.approx(0.1)
    assert lr[:10] == sorted(lr[:10])
    assert lr[9:] == sorted(lr[9:], reverse=True)


def test_a_warm_up_from_a_share_begins_with_it() -> None:
    schedule = replace(make(lr=1.0, steps=20, warmup_steps=10, min_lr_ratio=1.0).schedule, warmup_from=0.1)
    assert [schedule.learning_rate(1 + done) for done in (0, 5, 10, 19)] == pytest.approx([0.1, 0.55, 1, 1])


@pytest.mark.parametrize("warmup_steps", [0, 1, 5])
@pytest.mark.parametrize("ramp", [None, {"start": 4, "increment": 4, "sequences": 20}])
def test_it_is_never_zero_or_above_the_peak(warmup_steps: int, ramp: dict[str, int] | None) -> None:
    assert all(0 < lr <= 1 for lr in rates(steps=5, warmup_steps=warmup_steps, ramp=ramp))


def test_a_batch_that_does_not_grow_is_the_same_in_every_step() -> None:
    config = make(steps=10, global_batch=24)
    assert {config.schedule.batch_size(step) for step in range(10)} == {24}
    assert [config.schedule.sequences_before(step) for step in (0, 1, 10)] == [0, 24, 240]
    assert [steps_for(count, 24, None) for count in (1, 24, 25)] == [1, 1, 2]
    assert sizes(10, 24, None) == [(24, 10)]


def test_a_growing_batch_by_hand() -> None:
    # 100 sequences over three increments: sizes change once 33.3, 66.7 and 100 were taken.
    config = make(steps=20, global_batch=32, ramp={"start": 8, "increment": 8, "sequences": 100})
    assert [config.schedule.batch_size(step) for step in range(12)] == [8] * 5 + [16] * 2 + [24] * 2 + [32] * 3
    assert [config.schedule.sequences_before(step) for step in (0, 5, 7, 9, 10)] == [0, 40, 72, 120, 152]
    assert sizes(20, 32, config.ramp) == [(8, 5), (16, 2), (24, 2), (32, 11)]
    assert sizes(6, 32, config.ramp) == [(8, 5), (16, 1)]


@pytest.mark.parametrize(("ramp", "full"), RAMPS)
def test_it_grows_as_megatrons_does(ramp: dict[str, int], full: int) -> None:
    from megatron.core.num_microbatches_calculator import RampupBatchsizeNumMicroBatchesCalculator  # noqa: PLC0415

    theirs = RampupBatchsizeNumMicroBatchesCalculator(
        *(full, 1, 1, False, 0, ramp["start"], ramp["increment"], ramp["sequences"])
    )
    config = make(global_batch=full, ramp=ramp, steps=30_000)
    taken = 0
    for step in range(30_000):
        theirs.update(taken, consistency_check=True)
        assert config.schedule.batch_size(step) == theirs.get_current_global_batch_size()
        assert config.schedule.sequences_before(step) == taken
        taken += config.schedule.batch_size(step)
        if config.schedule.batch_size(step) == full:
            break
    assert config.schedule.batch_size(step) == full


@pytest.mark.parametrize(("ramp", "full"), RAMPS)
def test_the_steps_for_so_many_sequences_are_the_fewest(ramp: dict[str, int], full: int) -> None:
    config, settings = make(global_batch=full, ramp=ramp, steps=100), RampConfig(**ramp)
    for step in (1, 2, 5, 99, 100):
        taken = config.schedule.sequences_before(step)
        assert steps_for(taken, full, settings) == step
        assert steps_for(taken + 1, full, settings) == step + 1
        assert sum(size * steps for size, steps in sizes(step, full, settings)) == taken


def test_tokens_are_turned_into_the_steps_of_a_growing_batch() -> None:
    ramp = {"start": 8, "increment": 8, "sequences": 100}
    config = make(global_batch=32, ramp=ramp, train_tokens=128 * 160)
    assert config.steps == 11  # 152 sequences in 10 steps
    assert make(global_batch=32, ramp=ramp, train_tokens=128 * 152, steps=10).steps == 10


def test_with_a_growing_batch_the_rate_follows_the_sequences() -> None:
    ramp = {"start": 8, "increment": 8, "sequences": 100}
    lr = rates(steps=20, warmup_steps=7, global_batch=32, ramp=ramp, min_lr_ratio=0.0)
    assert lr[:7] == pytest.approx([taken / 72 for taken in (8, 16, 24, 32, 40, 56, 72)])
    assert lr[19] == pytest.approx(0.0)
    total = 152 + 10 * 32
    half = 72 + (total - 72) / 2
    step = next(step for step in range(1, 21) if 152 + (step - 10) * 32 >= half)
    assert lr[step - 2] > 0.5 >= lr[step - 1]


def test_a_kept_plan_ends_at_its_last_rate_and_a_new_one_begins_behind_it() -> None:
    short = rates(steps=60, warmup_steps=6)
    assert rates(steps=90, warmup_steps=6, lr_schedule={"plans": [60]}) == short + [short[-1]] * 30
    anew = rates(steps=90, warmup_steps=6)
    assert rates(steps=90, warmup_steps=6, lr_schedule={"plans": [60, 90]}) == short + anew[60:]
    assert rates(steps=30, warmup_steps=6, lr_schedule={"plans": [60]}) == short[:30]


def test_the_shapes_beside_the_cosine() -> None:
    constant = rates(steps=20, warmup_steps=5, lr_schedule={"shape": "constant"})
    assert constant == pytest.approx([0.2, 0.4, 0.6, 0.8] + [1.0] * 16)
    linear = rates(steps=15, warmup_steps=5, min_lr_ratio=0.1, lr_schedule={"shape": "linear"})
    assert linear[4:] == pytest.approx([1 - 0.09 * step for step in range(11)])
    for decay, half in (("linear", 0.55), ("sqrt", 1 - 0.9 * 0.5**0.5)):
        stable = {"shape": "wsd", "decay_steps": 10, "decay": decay}
        cooled = rates(steps=40, warmup_steps=5, min_lr_ratio=0.1, lr_schedule=stable)
        assert cooled[4:30] == [1.0] * 26
        assert (cooled[34], cooled[39]) == pytest.approx((half, 0.1))


def test_where_the_batch_grows_a_cool_down_is_linear_in_the_sequences() -> None:
    ramp = {"start": 4, "increment": 4, "sequences": 20}
    form = {"shape": "wsd", "decay_steps": 6}
    lr = rates(steps=8, warmup_steps=0, min_lr_ratio=0, lr_schedule=form, global_batch=8, ramp=ramp)
    config = make(steps=8, global_batch=8, ramp=ramp)
    start, end = config.schedule.sequences_before(2), config.schedule.sequences_before(8)
    assert lr[2:] == pytest.approx(
        [1 - (config.schedule.sequences_before(step) - start) / (end - start) for step in range(3, 9)]
    )


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"shape": "wsd"}, r"decay_steps = None: must be a number of steps with shape wsd"),
        ({"decay_steps": 5}, r"decay_steps = 5: must be absent without shape wsd"),
        ({"plans": [9, 5]}, r"plans = \[9, 5\]: must be rising"),
        ({"shape": "wsd", "decay_steps": 20}, r"decay_steps = 20: must be at most steps - warmup_steps \(19\)"),
        ({"plans": [2]}, r"warmup_steps = 3: must be at most steps \(2\)"),
    ],
)
def test_a_schedule_that_cannot_be_is_refused(form: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        make(steps=20, lr_schedule=form, warmup_steps=3 if form == {"plans": [2]} else 1)
