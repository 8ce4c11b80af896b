"""The alarm of nightly evaluation: few false ones, drops found by the second night, by simulation from a seed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache

import numpy as np
import pytest
from numpy.typing import NDArray

from stages.evaluate.alarm import Items, Rule, align, flipped, nights
from stages.formats.alarms import MEAN, Night

TASKS, ITEMS, CHECKPOINTS = 16, 1000, 7
ACCURACY, FLIPS, WOBBLE = 0.6, 0.10, 0.005


@lru_cache
def noise_of_flips(flips: float) -> float:
    """Return the spread of a checkpoint's noise with which two equal checkpoints differ on a share of the items.

    An item is right where its latent margin, standard normal around `centre`, plus noise is above zero.
    """
    draw = np.random.default_rng(1)
    margins = draw.standard_normal(20_000)
    for noise in np.arange(0.02, 1.0, 0.01):
        right = chance_of_right(margins + centre(noise), noise)
        if (2 * right * (1 - right)).mean() >= flips:
            return float(noise)
    raise AssertionError


def centre(noise: float) -> float:
    return 0.2533471031 * math.hypot(1, noise)  # the normal quantile of 0.6


def chance_of_right(margins: NDArray[np.float64], noise: float) -> NDArray[np.float64]:
    erf = np.vectorize(math.erf, otypes=[np.float64])
    return (1 + erf(margins / noise / math.sqrt(2))) / 2


def simulate(seed: int, drop: float = 0.0, since: int = CHECKPOINTS) -> list[Night]:
    """Return the nights of one training whose task t00 loses `drop` from checkpoint number `since` on."""
    draw = np.random.default_rng(seed)
    noise = noise_of_flips(FLIPS)
    spread = math.hypot(1, noise)
    slope = math.exp(-((centre(noise) / spread) ** 2) / 2) / math.sqrt(2 * math.pi) / spread  # accuracy per margin
    margins = draw.standard_normal((TASKS, 1, ITEMS)) + centre(noise)
    shifts = draw.normal(0, WOBBLE / slope, (TASKS, CHECKPOINTS, 1))
    shifts[0, since:] -= drop / slope
    right = margins + shifts + draw.normal(0, noise, (TASKS, CHECKPOINTS, ITEMS)) > 0
    scores = {f"t{task:02d}": right[task].astype(np.float64) for task in range(TASKS)}
    return nights([f"step_{number}" for number in range(CHECKPOINTS)], scores, Rule())


def test_quiet_nights_raise_an_alarm_at_most_once_in_twenty() -> None:
    quiet = [night for seed in range(200) for night in simulate(seed)[4:]]
    assert len(quiet) == 600
    assert sum(night.state == "alarm" for night in quiet) <= 0.05 * len(quiet)


def test_three_points_lost_on_one_task_are_named_by_the_second_night() -> None:
    named = watched = 0
    for seed in range(600):
        found = simulate(10_000 + seed, drop=0.03, since=5)
        assert len(found) == CHECKPOINTS
        named += any("t00" in {drop.task for drop in night.drops} for night in found[5:] if night.state == "alarm")
        watched += found[5].state != "calm"
    assert named >= 0.75 * 600
    assert watched > 0.3 * 600


def series(*scores: float, items: int = 400) -> dict[str, dict[str, float]]:
    """Return the items of one task: of each checkpoint the first share is right."""
    return {
        f"step_{number}": {f"item {item}": float(item < round(score * items)) for item in range(items)}
        for number, score in enumerate(scores)
    }


def judge(rule: Rule | None = None, **tasks: Mapping[str, Items]) -> list[Night]:
    """Return the nights of tasks by their items."""
    names = list(next(iter(tasks.values())))
    return nights(names, {task: align(names, found) for task, found in tasks.items()}, rule or Rule())


def states(*scores: float) -> list[str]:
    return [night.state for night in judge(piqa=series(*scores))]


def test_the_first_night_of_a_loss_is_a_watch_and_the_second_an_alarm_until_it_is_made_good() -> None:
    good, bad = 0.7, 0.6
    assert states(good, good, good, good, good, good) == ["early", "early", "early", "calm", "calm", "calm"]
    assert states(good, good, good, good, bad, bad, bad, bad, bad, bad, good, good) == (
        ["early", "early", "early", "calm", "alarm", "alarm", "alarm", "alarm", "alarm", "alarm", "alarm", "calm"]
    )


def test_a_standing_alarm_keeps_the_reference_it_was_raised_with() -> None:
    found = series(0.7, 0.7, 0.7, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6)
    night = judge(piqa=found)[-1]
    assert (night.state, night.reference) == ("alarm", ("step_0", "step_1", "step_2"))
    assert night.drops[0].loss == pytest.approx(0.1)


def test_a_loss_within_the_tolerance_is_none_however_many_items_show_it() -> None:
    found = series(0.7, 0.7, 0.7, 0.697, 0.697, items=100_000)
    assert judge(piqa=found)[-1].state == "calm"
    assert judge(Rule(tolerance=0.001), piqa=found)[-1].state == "alarm"


def test_a_small_loss_on_every_task_is_found_by_their_mean() -> None:
    draw = np.random.default_rng(3)
    names = [f"step_{number}" for number in range(5)]
    items = {
        f"t{task}": {
            name: {str(item): float(draw.random() < (0.6 if number < 3 else 0.57)) for item in range(400)}
            for number, name in enumerate(names)
        }
        for task in range(30)
    }
    assert MEAN in {drop.task for drop in judge(**items)[-1].drops}


def test_items_that_a_checkpoint_lacks_are_left_out() -> None:
    found = series(0.7, 0.7, 0.7, 0.6, 0.6)
    found["step_4"] = {name: score for name, score in found["step_4"].items() if name != "item 0"}
    assert judge(piqa=found, one=series(1, 1, 1, 0, 0, items=1))[-1].state == "alarm"
    with pytest.raises(ValueError, match="no results of step_9"):
        align(["step_9"], found)


def test_flipped_samples_are_those_that_every_earlier_checkpoint_had_right() -> None:
    found = series(0.70, 0.71, 0.72, 0.66, 0.65, items=100)
    assert flipped(found, ["step_0", "step_1", "step_2"], "step_3") == [f"item {n}" for n in range(66, 70)]
