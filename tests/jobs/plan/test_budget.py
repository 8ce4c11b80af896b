"""The verb `budget`: one amount is given, and every factor is beside it."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

import pytest

from jobs.plan.budget import budgets, tables
from launch import make_parser
from stages.shared.errors import ConfigError


def given(*words: str) -> Namespace:
    return make_parser().parse_args(["budget", *words])


def test_the_factor_that_is_asked_for_comes_first() -> None:
    found = budgets(given("--parameters", "7B", "--factor", "3"))
    assert [round(each.factor, 6) for each in found] == [3, 1, 2, 5, 10, 20]
    assert {each.parameters for each in found} == {7e9}
    assert budgets(given("--tokens", "1.4T"))[0].parameters == pytest.approx(65e9, rel=0.05)
    hours = budgets(given("--gpu-hours", "10k", "--gpu", "a100-80gb"))[0].gpu_hours(312, 0.4)
    assert hours == pytest.approx(10_000)


def test_the_table_names_the_machine_the_formula_and_its_source() -> None:
    table, source = tables(given("--gpu-hours", "10k"))
    assert not isinstance(table, str)
    assert (table.title, table.row_count) == ("h100-80gb at 40% of its peak", 5)
    assert "arXiv:2203.15556" in str(source)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "must be one of --parameters 7B"),
        (["--parameters", "7B", "--tokens", "1T"], "must be one of --parameters 7B"),
        (["--parameters", "many"], r"--parameters = 'many': must be a number, such as 7B"),
        (["--tokens", "1T", "--gpu", "h100"], r"--gpu = 'h100': must be a known type; "),
        (["--tokens", "1T", "--mfu", "1.5"], "--mfu from 0 to 1"),
    ],
)
def test_what_is_no_budget_is_one_sentence(words: list[Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        budgets(given(*words))
