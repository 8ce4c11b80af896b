"""Runs lm-eval on loaded tasks and removes everything that depends on time and place from its results."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import Any

from lm_eval.api.instance import Instance
from lm_eval.api.model import LM
from lm_eval.evaluator import evaluate
from lm_eval.utils import handle_non_serializable

from stages.evaluate.backends.dialogue import Conversation, Dialogue
from stages.evaluate.scores import Group, chance

BOOTSTRAP_ITERS = 1000
"""Resamples for standard errors without a formula (F1, BLEU, ...). lm-eval's default of 100,000 takes minutes."""


def harness_name() -> str:
    """Return the harness and its version, as in the key of a result."""
    return f"lm-eval {version('lm_eval')}"


class Watched(LM):
    """Passes requests on to a model, and digests them. `dialogue` makes its prompts; None: they are plain texts."""

    MULTIMODAL = True
    """lm-eval asks no other model for tasks on pictures."""

    def __init__(self, model: LM, dialogue: Dialogue | None = None) -> None:
        super().__init__()
        self.model = model
        self.dialogue = dialogue
        self._asked = hashlib.sha256()

    @property
    def digest(self) -> str:
        """Digest of all requests so far, in order."""
        return self._asked.hexdigest()

    @property
    def tokenizer_name(self) -> str:
        """Name in lm-eval's cache of prompts, which is not used."""
        return ""

    def apply_chat_template(
        self, chat_history: Sequence[Mapping[str, str]], add_generation_prompt: bool = True
    ) -> Conversation:
        """Return a conversation."""
        assert self.dialogue is not None
        return self.dialogue.apply(chat_history, add_generation_prompt)

    def loglikelihood(self, requests: list[Instance]) -> Any:
        """Return the model's answers."""
        return self._ask("loglikelihood", requests)

    def loglikelihood_rolling(self, requests: list[Instance]) -> Any:
        """Return the model's answers."""
        return self._ask("loglikelihood_rolling", requests)

    def generate_until(self, requests: list[Instance]) -> Any:
        """Return the model's answers."""
        return self._ask("generate_until", requests)

    def _ask(self, kind: str, requests: list[Instance]) -> Any:
        self._asked.update(requests_digest(kind, requests).encode())
        return getattr(self.model, kind)(requests)


def requests_digest(kind: str, requests: Sequence[Instance]) -> str:
    """Return the digest of requests in order."""
    asked = hashlib.sha256(kind.encode())
    for request in requests:
        asked.update(json.dumps(request.args, sort_keys=True, default=handle_non_serializable).encode() + b"\n")
    return asked.hexdigest()


def measure(
    model: LM, loaded: dict[str, Any], limit: int | None, form: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return lm-eval's results, samples included, for tasks in the shape of `TaskManager.load`.

    `form` has lm-eval's options of conversations (Dialogue.options); None: prompts are plain texts.

    lm-eval's `evaluate` adds no date, host or path; its `simple_evaluate` does.
    """
    results = evaluate(
        lm=model,
        task_dict=loaded,
        limit=limit,
        bootstrap_iters=BOOTSTRAP_ITERS,
        log_samples=True,
        **(form or {}),
        confirm_run_unsafe_code=True,  # in a jail: see load_cell
    )
    return {**results, "lm_eval_version": version("lm_eval")}


def without_samples(results: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of results.json, as plain JSON values."""
    plain: dict[str, Any] = _plain({name: value for name, value in results.items() if name != "samples"})
    for config in plain["configs"].values():  # paths of this machine
        (config.get("metadata") or {}).pop("config_source", None)
        (config.get("dataset_kwargs") or {}).pop("data_files", None)
    return plain


def sample_records(results: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield every sample with the name of its task, as plain JSON values; tasks in order of name."""
    for task in sorted(results["samples"]):
        for sample in results["samples"][task]:
            yield _plain({"task": task, **sample})


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value, default=_named))


def _named(value: Any) -> Any:
    """Return a function by its name, and another value as lm-eval does: a function's own text has an address in it."""
    return value.__qualname__ if inspect.isfunction(value) else handle_non_serializable(value)


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


def groups_of(loaded: Mapping[str, Any]) -> dict[str, Group]:
    """Return the groups whose scores lm-eval combines, by name."""
    return {
        name: Group(
            tasks=tuple(task.task_name for task in group.get_all_tasks()),
            by_size={each.metric: bool(each.weight_by_size) for each in group.aggregate_metric_list or ()},
        )
        for name, group in loaded.get("groups", {}).items()
    }
