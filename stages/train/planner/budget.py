"""Budgets of trainings after Chinchilla (arXiv:2203.15556): from parameters, tokens or GPU-hours to the others. Pure.

    operations = 6 x parameters x tokens                    (section 2.1 there, as in arXiv:2001.08361)
    tokens     = factor x Chinchilla's for the parameters   (table 3 there: stages/train/planner/tokens.py)
    GPU-hours  = operations / (peak x utilisation x 3600 s)

A factor above 1 trains a smaller model for longer than Chinchilla: it costs more to train and less to use. LLaMA-7B on
1.0 T tokens has 7.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from stages.shared.numbers import short
from stages.train.planner.tokens import tokens_a_parameter

SMALLEST, LARGEST = 1e3, 1e15
"""Parameters among which a budget is looked for."""


@dataclass(frozen=True)
class Budget:
    """A training."""

    parameters: float
    tokens: float

    @property
    def operations(self) -> float:
        """Floating-point operations."""
        return 6 * self.parameters * self.tokens

    @property
    def factor(self) -> float:
        """Times Chinchilla's tokens for the parameters."""
        return self.tokens / (self.parameters * tokens_a_parameter(self.parameters))

    def gpu_hours(self, tflops: float, mfu: float) -> float:
        """Return the hours of one GPU, given its peak in TFLOP/s and the share of it that is used."""
        return self.operations / (tflops * 1e12 * mfu * 3600)


def of_parameters(parameters: float, factor: float = 1.0) -> Budget:
    """Return the budget of a model."""
    return Budget(parameters, factor * parameters * tokens_a_parameter(parameters))


def of_tokens(tokens: float, factor: float = 1.0) -> Budget:
    """Return the budget that so many tokens are right for."""
    return Budget(_solved(lambda size: of_parameters(size, factor).tokens, tokens), tokens)


def of_operations(operations: float, factor: float = 1.0) -> Budget:
    """Return the budget of so many operations."""
    return of_parameters(_solved(lambda size: of_parameters(size, factor).operations, operations), factor)


def of_gpu_hours(hours: float, tflops: float, mfu: float, factor: float = 1.0) -> Budget:
    """Return the budget of so many hours of one GPU."""
    return of_operations(hours * 3600 * tflops * 1e12 * mfu, factor)


def beside_chinchilla(budget: Budget) -> str:
    """Return a line that compares a training with Chinchilla's for the same model and for the same operations."""
    alike, best = of_parameters(budget.parameters), of_operations(budget.operations)
    return (
        f"{budget.factor:.3g} times Chinchilla's {short(alike.tokens)} tokens for this model; "
        f"{budget.operations:.1e} operations are best spent on {short(best.parameters)} parameters and "
        f"{short(best.tokens)} tokens (arXiv:2203.15556)"
    )


def _solved(value: Callable[[float], float], wanted: float) -> float:
    """Return the parameters at which a rising value is the wanted one, by bisection in their logarithm."""
    low, high = math.log(SMALLEST), math.log(LARGEST)
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if value(math.exp(middle)) < wanted else (low, middle)
    return math.exp((low + high) / 2)
