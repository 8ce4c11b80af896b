"""Win rates: the golden numbers, clusters of one prompt, rubrics, unread verdicts, lengths."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest

from stages.align.win_rates import combined, interval, length_controlled, win_rate, win_rates
from stages.formats.chat.chats import text_message
from stages.formats.chat.judgements import Outcome, Verdict


def verdict(number: int, outcome: Outcome, **changes: object) -> Verdict:
    made = Verdict(
        prompt=(text_message("user", f"question {number}"),),
        source="facts",
        sample=0,
        policy="ppo",
        against="sft",
        answers=("one", "two"),
        judge="m",
        rubric="helpful",
        outcome=outcome,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def verdicts(outcomes: str, **changes: object) -> list[Verdict]:
    names: dict[str, Outcome] = {"w": "win", "l": "loss", "t": "tie", "u": "unparsed"}
    return [verdict(number, names[each], **changes) for number, each in enumerate(outcomes)]


def test_ties_count_half_and_an_unread_verdict_counts_for_no_side() -> None:
    (found,) = win_rates(verdicts("wwwwlllttt"))
    assert (found.rate, found.wins, found.losses, found.ties) == (0.55, 4, 3, 3)  # 4 wins, 3 losses, 3 ties
    (unread,) = win_rates(verdicts("wwwwlllttt" + "u" * 7))
    assert (unread.rate, unread.unparsed, unread.prompts) == (0.55, 7, 10)
    (nothing,) = win_rates(verdicts("uu"))
    assert (nothing.rate, nothing.low, nothing.length_controlled, nothing.longer) == (None, None, None, None)


def test_the_interval_is_that_of_agresti_and_min() -> None:
    low, high = interval([1.0] * 30 + [0.0] * 10 + [0.5] * 10)
    mean = 20 / 52
    half = 1.96 * math.sqrt((41 / 52 - mean**2) / 52)
    assert (low, high) == pytest.approx(((1 + mean - half) / 2, (1 + mean + half) / 2))
    assert interval([1.0] * 8)[1] == 1.0
    assert interval([0.5] * 8) == pytest.approx((0.402, 0.598))  # not a point: eight ties prove no equality


def test_samples_and_people_of_one_prompt_are_one_prompt() -> None:
    many = [verdict(0, "win", judge=f"p{number}") for number in range(50)] + [verdict(1, "loss")]
    (found,) = win_rates(many)
    assert (found.rate, found.prompts, found.wins) == (0.5, 2, 50)
    assert (found.low, found.high) == interval([1.0, 0.0])


def test_the_majority_of_the_rubrics_decides_and_each_has_a_rate() -> None:
    by_rubric = {"helpful": "wwlt", "harmless": "wluu", "honest": "wltu"}
    made = [each for rubric, outcomes in by_rubric.items() for each in verdicts(outcomes, rubric=rubric)]
    whole, *others = win_rates(made)
    assert [each.outcome for each in combined(made)] == ["win", "loss", "loss", "tie"]
    assert (whole.rubric, whole.rate) == ("", (1 + 0 + 0 + 0.5) / 4)
    assert {each.rubric: each.rate for each in others} == {"helpful": 0.625, "harmless": 0.5, "honest": 0.5}


def test_policies_with_equal_answers_have_verdicts_of_their_own() -> None:
    made = [*verdicts("ww"), *verdicts("ll", policy="dpo"), *verdicts("tt", policy="sft", control="same")]
    found = [(each.policy, each.control, each.rate) for each in win_rates(made)]
    assert found == [("ppo", "", 1.0), ("dpo", "", 0.0), ("sft", "same", 0.5)]


def test_sources_have_rates_of_their_own() -> None:
    made = [*verdicts("ww"), *[replace(each, source="requests", sample=1) for each in verdicts("ll")]]
    assert {each.source: each.rate for each in win_rates(made)} == {"": 0.5, "facts": 1.0, "requests": 0.0}


def test_a_place_that_wins_in_both_orders_is_counted() -> None:
    made = verdicts("tttw")
    readings = [("first", "first"), ("second", "second"), ("first", "tie"), ("first", "second")]
    found = win_rate([replace(each, readings=pair) for each, pair in zip(made, readings, strict=True)])
    assert (found.first, found.second) == (1, 1)


def lengths(outcomes: str, differences: Sequence[int]) -> list[tuple[Verdict, float]]:
    made = verdicts(outcomes)
    sized = [replace(each, answers=("x" * (50 + d), "x" * 50)) for each, d in zip(made, differences, strict=True)]
    return [(each, {"win": 1.0, "loss": 0.0}.get(each.outcome, 0.5)) for each in sized]


def test_what_length_explains_is_taken_out() -> None:
    longer = lengths("w" * 27 + "lll" + "w" + "l" * 9, [20] * 30 + [-20] * 10)  # nine of ten longer answers win
    assert sum(value for _, value in longer) / 40 == 0.7
    assert length_controlled(longer) == pytest.approx(0.5, abs=0.02)
    apart = lengths("w" * 30 + "l" * 10, [20, -20] * 20)  # length says nothing
    assert length_controlled(apart) == pytest.approx(0.75, abs=0.01)
    assert length_controlled(lengths("w" * 30 + "l" * 10, [0] * 40)) == pytest.approx(0.75, abs=0.001)
    assert length_controlled(lengths("w" * 40, [0] * 40)) == pytest.approx(1.0, abs=0.01)
    assert win_rate([each for each, _ in longer]).longer == 0.9
