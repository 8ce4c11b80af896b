"""Guards the solved examples of a task's prompts: there are enough of them, and none is the question itself."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from lm_eval.api.samplers import ContextSampler
from lm_eval.api.task import ConfigurableTask

from stages.evaluate.catalog.checks import too_many_shots

Doc = dict[str, Any]


class OtherDocs(ContextSampler):
    """A task's own sampler, in whose choice another example stands in for the question itself.

    lm-eval leaves the question out of its examples only where both come from one named test split. The choice of all
    other prompts stays the task's own.
    """

    def __init__(self, chooser: ContextSampler, seed: int) -> None:
        super().__init__()
        self.chooser, self.seed = chooser, seed
        self.asked: Doc | None = None
        """The question of the prompt that is made."""
        self.place = 0
        """Number of prompts made so far."""

    def fewshot_docs(self) -> Sequence[Doc]:
        """Return the solved examples."""
        docs: Sequence[Doc] = list(self.chooser.fewshot_docs())
        return docs

    def sample(self, n: int, eval_doc: Doc | None = None, df: Any = None, **kwargs: Any) -> Sequence[Doc]:
        """Return `n` solved examples of other questions than the one that is asked."""
        chosen: list[Doc] = list(self.chooser.sample(n, eval_doc, df, **kwargs))
        self.place += 1
        own = [place for place, doc in enumerate(chosen) if doc == self.asked]
        if own:
            others = [doc for doc in self.fewshot_docs() if doc != self.asked and doc not in chosen]
            draws = random.Random(f"{self.seed}/{self.place}")
            for place, other in zip(own, draws.sample(others, len(own)), strict=True):
                chosen[place] = other
        return chosen

    def set_rnd(self, rnd: int | None) -> OtherDocs:
        """Seed the task's own sampler."""
        self.chooser.set_rnd(rnd)
        self.place = 0
        return self


def guard_prompts(task: ConfigurableTask, seed: int) -> None:
    """Make `task` leave the question itself out of its examples.

    Raises ConfigError for a task that has fewer examples than it is to show. Side effect: changes `task`.
    """
    shots = task.get_config("num_fewshot") or 0
    sampler = getattr(task, "sampler", None)
    if not shots or sampler is None:
        return
    guarded = OtherDocs(sampler, seed)
    docs = guarded.fewshot_docs()
    if shots >= len(docs):
        available = len(docs) - any(doc in docs for doc in task.eval_docs)
        if shots > available:
            raise too_many_shots(task.task_name, shots, available)
    task.sampler = guarded
    make = task.fewshot_context

    def fewshot_context(doc: Doc, *args: Any, **kwargs: Any) -> Any:
        guarded.asked = doc
        return make(doc, *args, **kwargs)

    task.fewshot_context = fewshot_context
