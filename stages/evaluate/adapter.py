"""The backend of our own: the engine of stages/generate answers, for checkpoints and for folders of Hugging Face."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

from stages.evaluate.answers import Answers
from stages.evaluate.backends.windows import Prompt, Scored, Window, WindowLM, Written
from stages.generate.generation import Generator
from stages.generate.memory import MAX_ROWS, generation_slots, group_tokens, scoring_slots
from stages.generate.passes import Passes
from stages.generate.plan import plan_groups
from stages.generate.requests import Request
from stages.generate.scoring import inputs_of, score
from stages.generate.text import Codec
from stages.model.checkpoint.load import LoadedModel

_ROWS_A_GROUP = 2 * MAX_ROWS
"""Generations that are answered, and kept, together."""


class CheckpointLM(WindowLM):
    """A loaded model, in any layout. Every rank asks the same."""

    def __init__(
        self, model: LoadedModel, tokenizer: Codec, answers: Answers, batch_tokens: int, first_id: int | None = None
    ) -> None:
        """Begin every context with `first_id`; None: the end-of-sequence token."""
        super().__init__(tokenizer, tokenizer.eos_id if first_id is None else first_id, model.seq_len)
        self.model = model
        self.answers = answers
        self.batch_tokens = batch_tokens
        self.tokens = 0
        """Tokens computed; those of kept answers do not count."""

    def write(self, prompts: list[Prompt]) -> list[Written]:
        """Return the continuation of each prompt."""
        requests = [_request(prompt) for prompt in prompts]
        order = sorted(range(len(requests)), key=lambda index: (requests[index].prompt, index))
        found: dict[int, Written] = {}
        for start in range(0, len(order), _ROWS_A_GROUP):
            numbers = order[start : start + _ROWS_A_GROUP]
            group = [requests[number] for number in numbers]
            rows = [[asdict(each.sampling), each.prompt, each.key, *each.ends] for each in group]
            kept = self.answers.ask("write", rows, partial(self._generate_group, group))
            for number, each in zip(numbers, kept, strict=True):
                found[number] = Written(**each | {"ids": tuple(each["ids"])})
        return [found[index] for index in range(len(requests))]

    def _generate_group(self, requests: Sequence[Request]) -> list[dict[str, Any]]:
        wanted = sum(len(request.prompt) + request.sampling.max_tokens for request in requests)
        passes = Passes(self.model, generation_slots(self.model.config, self.model.dtype.itemsize, wanted))
        generator = Generator(passes, self.encoder, max_rows=MAX_ROWS, batch=self.batch_tokens)
        found = generator.generate(requests)
        self.tokens += passes.tokens
        return [asdict(Written(done.text, len(done.tokens), done.stopped, done.tokens)) for done in found]

    def score_windows(self, windows: list[Window]) -> list[Scored]:
        """Return the score of each window's second part. What windows begin with alike is computed once."""
        scored: dict[int, Scored] = {}
        limit = group_tokens(self.model.config, self.batch_tokens)
        for group in plan_groups([inputs_of(window) for window in windows], limit):
            rows = [windows[index] for index in group]
            kept = self.answers.ask("score", rows, partial(self._score_group, rows))
            scored.update((index, (logprob, greedy)) for index, (logprob, greedy) in zip(group, kept, strict=True))
        return [scored[index] for index in range(len(windows))]

    def _score_group(self, rows: list[Window]) -> list[Scored]:
        passes = Passes(self.model, scoring_slots(self.model.config, self.batch_tokens))
        found = [(each.logprob, each.is_greedy) for each in score(passes, rows, self.batch_tokens)]
        self.tokens += passes.tokens
        return found


def _request(prompt: Prompt) -> Request:
    digest = hashlib.sha256(",".join(map(str, prompt.ids)).encode()).hexdigest()
    return Request(prompt=prompt.ids, sampling=prompt.sampling, key=f"{digest}/{prompt.draw}", ends=prompt.ends)
