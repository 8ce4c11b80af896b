"""Run lm-eval on loaded tasks and keep what does not depend on when and where it ran."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from typing import Any

from lm_eval.api.model import LM
from lm_eval.evaluator import evaluate
from lm_eval.utils import handle_non_serializable

from stages.evaluate.scores import chance
from stages.shared.errors import ConfigError

BOOTSTRAP_ITERS = 1000
"""Resamples for the standard errors that have no formula (F1, BLEU, ...); lm-eval's 100,000 take minutes."""


def harness_name() -> str:
    """Return the harness and its version, as it enters a result's key."""
    return f"lm-eval {version('lm_eval')}"


def measure(model: LM, loaded: dict[str, Any], limit: int | None) -> dict[str, Any]:
    """Return lm-eval's results, samples included, for tasks in the shape `TaskManager.load` gives.

    lm-eval's `evaluate` adds no date, host or path, unlike its `simple_evaluate`. Raises ConfigError for a task that
    would run the model's output as code.
    """
    for name, task in loaded["tasks"].items():
        if getattr(task, "UNSAFE_CODE", False):
            raise ConfigError("tasks", name, "a task that does not run the model's output as code")
    results = evaluate(lm=model, task_dict=loaded, limit=limit, bootstrap_iters=BOOTSTRAP_ITERS, log_samples=True)
    return {**results, "lm_eval_version": version("lm_eval")}


def without_samples(results: Mapping[str, Any]) -> dict[str, Any]:
    """Return what goes into results.json, as plain JSON values."""
    return _plain({name: value for name, value in results.items() if name != "samples"})


def sample_records(results: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield every sample with the name of its task, tasks in order of name, as plain JSON values."""
    for task in sorted(results["samples"]):
        for sample in results["samples"][task]:
            yield _plain({"task": task, **sample})


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value, default=handle_non_serializable))


def chances(loaded: Mapping[str, Any], results: Mapping[str, Any]) -> dict[str, float]:
    """Return the accuracy of guessing for every multiple-choice task."""
    found = {}
    for name, task in loaded["tasks"].items():
        if task.OUTPUT_TYPE == "multiple_choice":
            docs = {sample["doc_id"]: sample["doc"] for sample in results["samples"][name]}
            guessing = chance([len(task.doc_to_choice(doc)) for doc in docs.values()])
            if guessing is not None:
                found[name] = guessing
    return found
