"""Parts of the definitions of the sample web's exams, as lm-eval reads them. Pure."""

from __future__ import annotations

from typing import Any

Definition = dict[str, Any]
CHOICE: Definition = {
    "output_type": "multiple_choice",
    "doc_to_choice": "choices",
    "doc_to_target": "answer",
    "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
}
"""Scores a choice: number `answer` of the row's `choices` is right."""


def exam_files(name: str) -> tuple[str, str]:
    """Return the names of an exam's definition and of its rows."""
    return f"{name}.yaml", f"{name}.jsonl"


def of_rows(name: str) -> Definition:
    """Return the begin of an exam's definition: its name, and its rows in NAME.jsonl beside it."""
    files = {"data_files": {"test": exam_files(name)[1]}}
    return {"task": name, "dataset_path": "json", "dataset_kwargs": files, "test_split": "test"}


def generated(max_tokens: int) -> Definition:
    """Return how an answer is generated, greedily to the end of the line; it should be the row's `value`."""
    return {
        "output_type": "generate_until",
        "doc_to_target": "{{value}}",
        "generation_kwargs": {"until": ["\n"], "max_gen_toks": max_tokens, "do_sample": False},
    }
