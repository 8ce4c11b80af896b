"""Answers to questions whose right ones are not public, in the file that a benchmark's site takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

FILE = "submission.json"


def count_answer(_doc: Mapping[str, Any], _results: Sequence[Any]) -> dict[str, float]:
    """Return the one thing that is known of an answer: it was given."""
    return {"answered": 1.0}


def submission_of(samples: Mapping[str, Sequence[Mapping[str, Any]]], group: str) -> dict[str, dict[str, str]]:
    """Return C-Eval's official format, {subject: {id of a question: letter}}, from the samples of a group by task.

    A task's name is `<group>_<subject>`. The answer is the likeliest choice.
    """
    return {
        task.removeprefix(f"{group}_"): {str(sample["doc"]["id"]): _likeliest(sample) for sample in samples[task]}
        for task in sorted(samples)
    }


def _likeliest(sample: Mapping[str, Any]) -> str:
    """Return the choice with the highest log probability; of equal ones the first."""
    scored = zip(sample["resps"], sample["arguments"], strict=True)
    _, choice = max(((resps[0][0], request[1]) for resps, request in scored), key=lambda pair: pair[0])
    return str(choice).strip()
