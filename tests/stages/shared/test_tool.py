"""Tools that stages declare: each names a function that the launcher can call."""

from __future__ import annotations

import importlib
import inspect

import pytest

from jobs.plan.recipe import known_stages
from stages.shared.contract import StageConfig
from tests.jobs.toy.config import ToyConfig


def tools() -> list[tuple[str, str]]:
    """Return verb and function of every tool of every stage."""
    configs: list[type[StageConfig]] = [
        importlib.import_module(f"stages.{stage}.config").Config for stage in known_stages()
    ]
    return [(verb, function) for config in configs for verb, function in config.tools.items()]


@pytest.mark.parametrize(("verb", "function"), tools())
def test_every_tool_is_a_function_of_one_call(verb: str, function: str) -> None:
    module, _, name = function.partition(":")
    called = getattr(importlib.import_module(module), name)
    assert list(inspect.signature(called).parameters) == ["call"]
    assert inspect.getdoc(called)


def test_a_stage_has_no_tools_unless_it_says_so() -> None:
    assert StageConfig.tools == {}
    assert set(ToyConfig.tools) == {"tune"}
