"""Choice of the next token."""

from __future__ import annotations

import math

import pytest
import torch

from stages.generate.sampling import Sampling, choose, logprobs_of, uniform

LOGITS = torch.tensor([0.0, 3.0, 2.0, 1.0])


def draws(sampling: Sampling, number: int = 300) -> list[int]:
    places = [uniform(0, "row", at) for at in range(number)]
    found: list[int] = choose(LOGITS.expand(number, -1), [sampling] * number, places).tolist()
    return found


def test_temperature_zero_takes_the_likeliest() -> None:
    assert {*draws(Sampling(max_tokens=1))} == {1}


def test_top_k_and_top_p_leave_only_the_likeliest_tokens() -> None:
    assert {*draws(Sampling(max_tokens=1, temperature=5.0))} == {0, 1, 2, 3}
    assert {*draws(Sampling(max_tokens=1, temperature=5.0, top_k=2))} == {1, 2}
    assert {*draws(Sampling(max_tokens=1, temperature=1.0, top_p=0.7))} == {1, 2}  # 0.64, then 0.24
    assert {*draws(Sampling(max_tokens=1, temperature=1.0, top_p=0.0001))} == {1}
    assert {*draws(Sampling(max_tokens=1, temperature=1.0, top_p=0.0))} == {1}


def test_a_temperature_near_zero_is_greedy() -> None:
    assert {*draws(Sampling(max_tokens=1, temperature=1e-30))} == {1}


def test_draws_follow_the_softmax() -> None:
    found = torch.bincount(torch.tensor(draws(Sampling(max_tokens=1, temperature=2.0), 4000)), minlength=4) / 4000
    assert torch.allclose(found, torch.softmax(LOGITS / 2, 0), atol=0.03)


def test_a_row_is_chosen_as_if_it_were_alone() -> None:
    samplings = [
        Sampling(max_tokens=1),
        Sampling(max_tokens=1, temperature=1.0),
        Sampling(max_tokens=1, temperature=0.5, top_k=3),
        Sampling(max_tokens=1, temperature=2.0, top_p=0.8),
    ]
    logits = torch.randn(4, 50, generator=torch.Generator().manual_seed(0))
    places = [uniform(7, str(row), 0) for row in range(4)]
    alone = [int(choose(logits[row : row + 1], [samplings[row]], [places[row]])[0]) for row in range(4)]
    assert choose(logits, samplings, places).tolist() == alone


@pytest.mark.parametrize("place", [0.0, 1.0 - 2.0**-53])
def test_the_outermost_draws_are_tokens_that_are_possible(place: float) -> None:
    logits = torch.tensor([[-math.inf, 1.0, 1.0, -math.inf]])
    assert int(choose(logits, [Sampling(max_tokens=1, temperature=1.0)], [place])[0]) == (1 if place == 0.0 else 2)


def test_a_draw_is_a_function_of_seed_key_and_position() -> None:
    assert uniform(1, "a", 2) == uniform(1, "a", 2)
    asked = [(seed, key, at) for seed in (0, 1, 1_000_003) for key in ("0", "1", "1/0", "") for at in range(20)]
    assert len({uniform(*each) for each in asked}) == len(asked)
    assert all(0.0 <= uniform(*each) < 1.0 for each in asked)


def test_log_probabilities_are_of_the_chosen_and_the_likeliest() -> None:
    chosen, ids, best = logprobs_of(LOGITS[None], torch.tensor([3]), 2)
    expected = torch.log_softmax(LOGITS, 0)
    assert float(chosen) == pytest.approx(float(expected[3]))
    assert ids.tolist() == [[1, 2]]
    assert best[0].tolist() == pytest.approx(expected[1:3].tolist())
