"""Runs lm-eval on loaded tasks and removes everything that depends on time and place from its results."""

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
"""Resamples for standard errors without a formula (F1, BLEU, ...). lm-eval's default of 100,000 takes minutes."""


def harness_name() -> str:
    """Return the harness and its version, as in the key of a result."""
    return f"lm-eval {version('lm_eval')}"


def measure(model: LM, loaded: dict[str, Any], limit: int | None) -> dict[str, Any]:
    """Return lm-eval's results, samples included, for tasks in the shape of `TaskManager.load`.

    lm-eval's `evaluate` adds no date, host or path; its `simple_evaluate` does. Raises ConfigError for a task that
    runs the model's output as code.
    """
    for name, task in loaded["tasks"].items():
        if getattr(task, "UNSAFE_CODE", False):
            raise ConfigError("tasks", name, "a task that does not run the model's output as code")
    results = evaluate(lm=model, task_dict=loaded, limit=limit, bootstrap_iters=BOOTSTRAP_ITERS, log_samples=True)
    return {**results, "lm_eval_version": version("lm_eval")}


def without_samples(results: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of results.json, as plain JSON values."""
    plain: dict[str, Any] = _plain({name: value for name, value in results.items() if name != "samples"})
    return plain


def sample_records(results: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield every sample with the name of its task, as plain JSON values; tasks in order of name."""
    for task in sorted(results["samples"]):
        for sample in results["samples"][task]:
            yield _plain({"task": task, **sample})


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value, default=handle_non_serializable))


def chances(loaded: Mapping[str, Any], results: Mapping[str, Any]) -> dict[str, float]:
    """Return the accuracy of guessing, by multiple-choice task."""
    found = {}
    for name, task in loaded["tasks"].items():
        if task.OUTPUT_TYPE == "multiple_choice":
            docs = {sample["doc_id"]: sample["doc"] for sample in results["samples"][name]}
            guessing = chance([len(task.doc_to_choice(doc)) for doc in docs.values()])
            if guessing is not None:
                found[name] = guessing
    return found
