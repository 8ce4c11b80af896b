"""Scores of tasks that generate several texts for a question: over all of them, not over the first.

lm-eval's usual last filter, `take_first`, drops all texts but one. Here each text passes the filters and is scored
alone. A metric of a question is its mean over the texts. Metrics that are 0 or 1 add

    pass@k   the chance that one of k texts is right: 1 - C(n - c, k) / C(n, k) for c right ones of n
             (arXiv:2107.03374, section 2.1)
    maj@n    the metric of the most frequent answer; of several, the first (arXiv:2203.11171)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from lm_eval.api.filter import Filter, FilterEnsemble
from lm_eval.api.metrics import mean
from lm_eval.api.task import ConfigurableTask
from lm_eval.filters.selection import TakeFirstFilter

from stages.evaluate.scores import pass_at

PASS_AT = (1, 2, 4, 8, 10, 16, 32, 64, 80, 100, 128, 256)
Score = Callable[[Any, list[Any]], Mapping[str, Any]]


class EachText(Filter):
    """Passes each text through filters alone; gives the list of what they make of each."""

    def __init__(self, filters: Sequence[Callable[[], Filter]]) -> None:
        super().__init__()
        self.filters = filters

    def apply(self, resps: Iterable[Sequence[Any]], docs: list[Any]) -> list[list[Any]]:
        """Return for each question the filtered texts, in order."""
        return [[self._one(text, doc) for text in texts] for texts, doc in zip(resps, docs, strict=True)]

    def _one(self, text: Any, doc: Any) -> Any:
        kept: Any = [[text]]
        for make in self.filters:
            kept = make().apply(kept, [doc])
        return next(iter(kept))


def score_every_text(task: ConfigurableTask) -> None:
    """Make `task` score all of its texts, if it generates several and its filters would drop all but the first.

    Side effect: changes filters, scoring and metrics of `task`.
    """
    pipelines = [each for each in task._filters if each.filters and _drops(each.filters[-1])]
    if task.OUTPUT_TYPE != "generate_until" or (task.get_config("repeats") or 1) < 2 or not pipelines:
        return
    names = {each.name for each in pipelines}
    task._filters = [
        FilterEnsemble(each.name, [lambda filters=each.filters: EachText(filters)]) if each.name in names else each
        for each in task._filters
    ]
    score = task.process_results

    def process_results(doc: Any, results: list[Any]) -> dict[str, Any]:
        (texts,) = results
        found = over_texts(doc, texts, score) if isinstance(texts, list) else dict(score(doc, results))
        for metric in found.keys() - task._aggregation_list.keys():
            task._aggregation_list[metric], task._higher_is_better[metric] = mean, True
        return found

    task.process_results = process_results


def _drops(make: Callable[[], Filter]) -> bool:
    return isinstance(make(), TakeFirstFilter)


def over_texts(doc: Any, texts: Sequence[Any], score: Score) -> dict[str, Any]:
    """Return the metrics of a question over all its filtered texts."""
    scored = [score(doc, [text]) for text in texts]
    majority = score(doc, [Counter(texts).most_common(1)[0][0]])
    found: dict[str, Any] = {}
    for metric in scored[0]:
        values = [float(each[metric]) for each in scored]
        found[metric] = sum(values) / len(values)
        if set(values) <= {0.0, 1.0}:
            found[f"{metric} maj@{len(texts)}"] = float(majority[metric])
            right = round(sum(values))
            found |= {f"{metric} pass@{k}": pass_at(len(texts), right, k) for k in PASS_AT if k <= len(texts)}
    return found
