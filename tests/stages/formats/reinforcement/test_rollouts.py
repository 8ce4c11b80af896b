"""Rollouts on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stages.formats.reinforcement.rollouts import Rollout, read_rollouts, scored, write_rollouts
from stages.shared.errors import DataError


def rollout(**changes: Any) -> Rollout:
    given = {
        "prompt": "a/1",
        "sample": 0,
        "finish": "eos",
        "policy": "p",
        "text": 'two\n"lines" \u2028',
        "context": (1, 2),
    }
    return Rollout(**{**given, "tokens": (3, 4, 5), "logprobs": (-0.1, 0.0, -1 / 3), "inserted": (1,), **changes})


def test_what_was_written_is_read_number_for_number_and_equal_rollouts_are_equal_bytes(tmp_path: Path) -> None:
    made = [rollout(), rollout(sample=1, tokens=(), logprobs=(), inserted=(), finish="length", score=0.25)]
    for name in ("one.jsonl", "two.jsonl"):
        write_rollouts(tmp_path / name, made)
    assert read_rollouts(tmp_path / "one.jsonl") == made
    for suffix in (".jsonl", ".npz"):
        assert (tmp_path / f"one{suffix}").read_bytes() == (tmp_path / f"two{suffix}").read_bytes()
    write_rollouts(tmp_path / "none.jsonl", [])
    assert read_rollouts(tmp_path / "none.jsonl") == []


def test_scores_are_added_in_order() -> None:
    assert [each.score for each in scored([rollout(), rollout(sample=1)], [0.5, -1])] == [0.5, -1.0]


def test_a_token_without_its_log_probability_is_an_error() -> None:
    with pytest.raises(ValueError, match="2 log probabilities of 3 tokens"):
        rollout(logprobs=(-0.1, -0.2))


def test_damaged_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "one.jsonl"
    write_rollouts(path, [rollout(), rollout(sample=1)])
    whole = path.read_text("utf-8").split("\n")
    path.write_text(whole[0] + "\n", "utf-8")
    with pytest.raises(DataError, match=r"one\.npz: other than 1 responses"):
        read_rollouts(path)
    path.write_text("{}\n", "utf-8")
    with pytest.raises(DataError, match="not a rollout"):
        read_rollouts(path)
    path.write_text("\n".join(whole), "utf-8")
    with np.load(path.with_suffix(".npz")) as found:
        arrays = dict(found)
    np.savez(path.with_suffix(".npz"), **{**arrays, "logprobs": arrays["logprobs"][:-1]})
    with pytest.raises(DataError, match=r"one\.npz: no arrays of rollouts"):
        read_rollouts(path)
    arrays["logprobs_lengths"] = np.array([2, 4], np.int32)
    np.savez(path.with_suffix(".npz"), **arrays)
    with pytest.raises(DataError, match="2 log probabilities of 3 tokens"):
        read_rollouts(path)
