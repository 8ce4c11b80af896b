"""Tasks of published protocols that lm-eval's own classes do not score."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from lm_eval.api.instance import Instance
from lm_eval.api.metrics import mean
from lm_eval.api.task import ConfigurableTask

ANSWER = "Answer:"
METRIC = "acc_answer"


class AnswerNormalized(ConfigurableTask):
    """A multiple choice by P(completion | question) / P(completion | "Answer:").

    GPT-3's protocol (arXiv:2005.14165, section 2.4), which LLaMA takes for OpenBookQA and BoolQ (arXiv:2302.13971,
    section 3.1). The metric is `acc_answer`; the task's own metrics stay beside it.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__(config={key: value for key, value in config.items() if key != "class"})
        self._metric_fn_list[METRIC] = None
        self._aggregation_list[METRIC], self._higher_is_better[METRIC] = mean, True

    def construct_requests(self, doc: dict[str, Any], ctx: str, **kwargs: Any) -> list[Instance]:
        """Return the requests of the question, then those of the completions after "Answer:"."""
        asked: list[Instance] = super().construct_requests(doc, ctx, **kwargs)
        alone = [
            Instance(
                request_type="loglikelihood",
                doc=doc,
                arguments=(ANSWER, each.args[1]),
                idx=number,
                metadata=kwargs["metadata"],
            )
            for number, each in enumerate(asked, start=len(asked))
        ]
        return [*asked, *alone]

    def process_results(self, doc: dict[str, Any], results: list[tuple[float, bool]]) -> dict[str, Any]:
        """Return the task's own metrics and `acc_answer`."""
        half = len(results) // 2
        found: dict[str, Any] = super().process_results(doc, results[:half])
        gains = [asked - alone for (asked, _), (alone, _) in zip(results[:half], results[half:], strict=True)]
        return {**found, METRIC: float(int(np.argmax(gains)) == self.doc_to_target(doc))}
