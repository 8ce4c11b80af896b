"""Our own tasks, over rows of local files: perplexity and facts."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any

from datasets import Dataset
from lm_eval.api.task import ConfigurableTask

from stages.evaluate.cells import FACTS, PERPLEXITY
from stages.evaluate.tasks.facts import read_facts
from stages.formats.benchmarks.index import FEWSHOT_SEED
from stages.formats.documents import read_documents
from stages.generate.text import Codec
from stages.shared.errors import DataError

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


def as_loaded(tasks: Sequence[LocalTask]) -> dict[str, Any]:
    """Return our own tasks in the shape that lm-eval's `evaluate` takes."""
    for task in tasks:
        task.set_config(key="num_fewshot", value=0)
        task.set_fewshot_seed(seed=FEWSHOT_SEED)
    return {"tasks": {task.config.task: task for task in tasks}, "groups": {}, "group_map": {}}
