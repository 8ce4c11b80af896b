"""The rule of a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stages.align.ppo.rule import read_rule
from stages.shared.errors import DataError
from tests.stages.align.ppo.test_phases import rollout


def test_a_rule_sums_what_it_counts(tmp_path: Path) -> None:
    path = tmp_path / "rule.json"
    path.write_text(json.dumps({"per_token": -0.5, "ended": 2, "words": {"please": 1}}), "utf-8")
    found = read_rule(path).score([rollout(text="please, please"), rollout(finish="length", tokens=(5, 6))])
    assert found == [-1.5 + 2 + 2, -1.0]


@pytest.mark.parametrize("text", ['{"per_tokn": 1}', '{"words": {"a": "b"}}', "[]", "no"])
def test_a_file_without_a_rule_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "rule.json"
    path.write_text(text, "utf-8")
    with pytest.raises(DataError, match=r"rule\.json"):
        read_rule(path)
