"""Budgets against Chinchilla's own table, and each direction against the others."""

from __future__ import annotations

import pytest

from stages.train.planner.budget import Budget, beside_chinchilla, of_gpu_hours, of_operations, of_parameters, of_tokens
from stages.train.planner.tokens import CHINCHILLA


@pytest.mark.parametrize(("parameters", "operations"), CHINCHILLA)
def test_the_papers_operations_buy_the_papers_models(parameters: float, operations: float) -> None:
    assert of_parameters(parameters).operations == pytest.approx(operations, rel=1e-6)
    assert of_operations(operations).parameters == pytest.approx(parameters, rel=1e-6)


@pytest.mark.parametrize("factor", [1.0, 7.0])
def test_every_direction_leads_to_the_same_training(factor: float) -> None:
    first = of_parameters(6.7e9, factor)
    hours = first.gpu_hours(989, 0.4)
    for found in (of_tokens(first.tokens, factor), of_gpu_hours(hours, 989, 0.4, factor)):
        assert (found.parameters, found.tokens) == pytest.approx((first.parameters, first.tokens), rel=1e-9)
        assert found.factor == pytest.approx(factor)


def test_hours_follow_from_the_formula() -> None:
    assert Budget(1e9, 20e9).gpu_hours(tflops=100, mfu=0.5) == pytest.approx(6 * 1e9 * 20e9 / (50e12 * 3600))


def test_a_longer_training_of_the_same_cost_is_of_a_smaller_model() -> None:
    plain, longer = of_gpu_hours(1e5, 989, 0.4), of_gpu_hours(1e5, 989, 0.4, factor=5.0)
    assert longer.parameters < plain.parameters
    assert longer.operations == pytest.approx(plain.operations)


def test_llama_7b_is_named_beside_its_budget() -> None:
    text = beside_chinchilla(Budget(6_738_415_616, 1.0e12))
    assert text.startswith(
        "7.26 times Chinchilla's 138 B tokens for this model; 4.0e+22 operations are best spent on 18"
    )
