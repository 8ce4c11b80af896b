"""Guards the solved examples of prompts: there are enough, none is the question itself, and those that do not fit into
the model are dropped whole.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from lm_eval.api.samplers import ContextSampler
from lm_eval.api.task import ConfigurableTask

from stages.evaluate.backends.dialogue import Conversation
from stages.evaluate.catalog.checks import too_many_shots

Doc = dict[str, Any]
_MAX_TOKENS = 256
"""Tokens of a generation without a limit of its own: lm-eval's default."""


@dataclass(frozen=True)
class Window:
    """What fits into a model."""

    seq_len: int
    """Tokens that the model takes."""
    encode: Callable[[str], Sequence[int]]

    def fits(self, task: ConfigurableTask, doc: Doc, context: str | list[str]) -> bool:
        """Return whether a prompt and what follows it fit, behind one first token."""
        contexts = [context] if isinstance(context, str) else context
        longest = max((self._tokens(text) for text in contexts), default=0)
        return 1 + longest + self._answer(task, doc) <= self.seq_len

    def _tokens(self, context: str) -> int:
        return len(context.ids() if isinstance(context, Conversation) else self.encode(context))

    def _answer(self, task: ConfigurableTask, doc: Doc) -> int:
        """Return the tokens of the longest answer that may follow; the last of a scored one is no input."""
        if task.OUTPUT_TYPE == "generate_until":
            limits = task.config.generation_kwargs or {}
            return int(limits.get("max_gen_toks", _MAX_TOKENS))
        answers = task.doc_to_choice(doc) if task.OUTPUT_TYPE == "multiple_choice" else [task.doc_to_target(doc)]
        return max((len(self.encode(f" {answer}")) for answer in answers), default=1) - 1


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
        self.chosen: list[Doc] = []
        """The examples of the last prompt."""
        self.again = False
        """Whether the next prompt is the last one again, with fewer examples."""

    def fewshot_docs(self) -> Sequence[Doc]:
        """Return the solved examples."""
        docs: Sequence[Doc] = list(self.chooser.fewshot_docs())
        return docs

    def sample(self, n: int, eval_doc: Doc | None = None, df: Any = None, **kwargs: Any) -> Sequence[Doc]:
        """Return `n` solved examples of other questions than the one that is asked; `again`: the last `n` of before."""
        if self.again:
            return self.chosen[len(self.chosen) - n :]
        chosen: list[Doc] = list(self.chooser.sample(n, eval_doc, df, **kwargs))
        self.place += 1
        own = [place for place, doc in enumerate(chosen) if doc == self.asked]
        if own:
            others = [doc for doc in self.fewshot_docs() if doc != self.asked and doc not in chosen]
            draws = random.Random(f"{self.seed}/{self.place}")
            for place, other in zip(own, draws.sample(others, len(own)), strict=True):
                chosen[place] = other
        self.chosen = chosen
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


def drop_examples(task: ConfigurableTask, window: Window) -> None:
    """Make `task` drop whole solved examples, the first ones first, from a prompt that does not fit into the model.

    Side effect: changes `task`, and counts in its `dropped_examples`.
    """
    task.dropped_examples = 0
    guarded = getattr(task, "sampler", None)
    if not isinstance(guarded, OtherDocs):
        return
    make = task.fewshot_context

    def fewshot_context(doc: Doc, num_fewshot: int, *args: Any, **kwargs: Any) -> Any:
        context = make(doc, num_fewshot, *args, **kwargs)
        kept = num_fewshot
        guarded.again = True
        try:
            while kept and not window.fits(task, doc, context):
                kept -= 1
                context = make(doc, kept, *args, **kwargs)
        finally:
            guarded.again = False
        task.dropped_examples += num_fewshot - kept
        return context

    task.fewshot_context = fewshot_context
