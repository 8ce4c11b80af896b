"""Loads tasks: our own over rows of local files, and lm-eval's by name."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any

from datasets import Dataset
from datasets.exceptions import DatasetsError
from lm_eval.api.task import ConfigurableTask
from lm_eval.api.task import Task as HarnessTask
from lm_eval.tasks import TaskManager

from stages.evaluate.config import FACTS, GENERATE, PERPLEXITY
from stages.evaluate.facts import read_facts
from stages.formats.documents import read_documents
from stages.generate.text import Codec
from stages.shared.errors import ConfigError, DataError, nearest

FACTS_SEEN = "facts_seen"
"""Task of the facts that are not held out, reported beside `facts`."""
TASK_VERSION = 1.0
"""Version of our own tasks. Raise it when new scores cannot be compared with old ones."""


class LocalTask(ConfigurableTask):
    """An lm-eval task over rows in memory: no lookup, no download, no cache."""

    def __init__(self, config: dict[str, Any], rows: Sequence[dict[str, Any]]) -> None:
        self._rows = Dataset.from_list(list(rows))
        super().__init__(config={**config, "test_split": "test", "metadata": {"version": TASK_VERSION}})

    def download(self, dataset_kwargs: dict[str, Any] | None = None, **kwargs: Any) -> None:
        """Offer the rows as the test split. lm-eval calls this where other tasks download."""
        self.dataset = {"test": self._rows}


def perplexity_task(paths: Sequence[Path], documents: int, tokenizer: Codec) -> LocalTask:
    """Return the task over the first `documents` held-out documents that are not blank, one of each file in turn."""
    readers = [read_documents(path) for path in paths]
    turns = (document for turn in zip_longest(*readers) for document in turn if document is not None)
    rows = [
        {"id": str(doc.get("id", "")), "text": doc["text"], "tokens": len(tokenizer.encode(doc["text"]))}
        for doc in islice((doc for doc in turns if doc["text"].strip()), documents)
    ]
    if not rows:
        remedy = "Raise `heldout` of the tokens stage or remove `perplexity` from `tasks`"
        raise DataError(paths[0], "no held-out document has a text", remedy)
    metrics = ("word_perplexity", "byte_perplexity", "token_perplexity", "bits_per_byte")
    config = {
        "task": PERPLEXITY,
        "output_type": "loglikelihood_rolling",
        "doc_to_text": "",
        "doc_to_target": "text",
        "process_results": rolling_metrics,
        "metric_list": [
            {
                "metric": metric,
                "aggregation": "bits_per_byte" if metric == "bits_per_byte" else "weighted_perplexity",
                "higher_is_better": False,
            }
            for metric in metrics
        ],
    }
    return LocalTask(config, rows)


def rolling_metrics(doc: dict[str, Any], results: list[float]) -> dict[str, tuple[float, int]]:
    """Return (log likelihood in nats, number of units) of a document by metric. Words are counted as in lm-eval."""
    (logprob,) = results
    num_bytes = len(doc["text"].encode("utf-8", errors="replace"))
    return {
        "word_perplexity": (logprob, len(doc["text"].split())),
        "byte_perplexity": (logprob, num_bytes),
        "token_perplexity": (logprob, doc["tokens"]),
        "bits_per_byte": (logprob, num_bytes),
    }


def facts_tasks(paths: Sequence[Path]) -> list[LocalTask]:
    """Return the multiple-choice tasks over facts files: the answer is the likeliest continuation of the question.

    `facts` has the held-out questions; `facts_seen`, if there are any, the questions that the training may have read.
    """
    rows = [row for path in paths for row in read_facts(path)]
    heldout, seen = [row for row in rows if row["heldout"]], [row for row in rows if not row["heldout"]]
    if not heldout:
        raise DataError(
            paths[0], "no held-out facts", "Write one JSON object a line, some of them without `heldout: false`"
        )
    return [_choice_task(FACTS, heldout), *([_choice_task(FACTS_SEEN, seen)] if seen else [])]


def _choice_task(name: str, rows: Sequence[dict[str, Any]]) -> LocalTask:
    config = {
        "task": name,
        "output_type": "multiple_choice",
        "doc_to_text": "question",
        "doc_to_choice": "choices",
        "doc_to_target": "answer",
        "target_delimiter": " ",
        "metric_list": [
            {"metric": metric, "aggregation": "mean", "higher_is_better": True} for metric in ("acc", "acc_norm")
        ],
    }
    return LocalTask(config, rows)


def harness_tasks(name: str, num_fewshot: int | None, manager: TaskManager) -> dict[str, Any]:
    """Return lm-eval's task or group of this name, in the shape that lm-eval's `evaluate` takes.

    A `TaskManager()` reads all of lm-eval's 15,000 task files, which takes about ten seconds: make one only if needed.

    Raises ConfigError if lm-eval has no such name, or if its data is not on this machine.
    """
    if name not in manager.task_index:
        known = [PERPLEXITY, FACTS, GENERATE, *manager.all_tasks]
        raise ConfigError("tasks", name, f"one of our tasks or one of lm-eval's; {near(name, known)}")
    try:
        loaded = manager.load([name])
    except (OSError, ValueError, DatasetsError) as error:
        wanted = (
            "a task whose data is on this machine, because evaluation has no network. Download the data elsewhere and "
            f"set `datasets_cache` to its folder ({str(error).splitlines()[0]})"
        )
        raise ConfigError("tasks", name, wanted) from error
    for task in loaded["tasks"].values():
        _set_fewshot(task, num_fewshot)
    return dict(loaded)


def near(name: str, known: list[str]) -> str:
    """Return a hint: the nearest of lm-eval's many names, else the command that lists them."""
    hint = nearest(name, known)
    return hint if hint.startswith("did") else "see `lm-eval ls tasks`"


def _set_fewshot(task: HarnessTask, num_fewshot: int | None) -> None:
    """Set the number of examples as lm-eval's command line does: a task with a fixed zero keeps zero."""
    fixed = task.get_config("num_fewshot")
    if num_fewshot is not None and fixed != 0:
        task.set_config(key="num_fewshot", value=num_fewshot)
    elif fixed is None:
        task.set_config(key="num_fewshot", value=0)
    task.set_fewshot_seed(seed=FEWSHOT_SEED)


FEWSHOT_SEED = 1234
"""lm-eval's own default seed for the choice of examples."""


def as_loaded(tasks: Sequence[LocalTask]) -> dict[str, Any]:
    """Return our own tasks in the shape that lm-eval's `evaluate` takes."""
    for task in tasks:
        _set_fewshot(task, 0)
    return {"tasks": {task.config.task: task for task in tasks}, "groups": {}, "group_map": {}}
