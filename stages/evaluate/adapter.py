"""The backend of our own: the engine of stages/generate answers, for checkpoints and for folders of Hugging Face."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

from stages.evaluate.answers import Answers
from stages.evaluate.backends.placing import Placing
from stages.evaluate.backends.windows import Prompt, Scored, Window, WindowLM, Written
from stages.evaluate.engine import Engine
from stages.formats.calls.inline import without_calls
from stages.generate.memory import MAX_ROWS, group_tokens
from stages.generate.plan import plan_groups
from stages.generate.requests import Request
from stages.generate.scoring import inputs_of
from stages.generate.text import Codec
from stages.model.checkpoint.load import LoadedModel

_ROWS_A_GROUP = 2 * MAX_ROWS
"""Generations that are answered, and kept, together."""


class CheckpointLM(WindowLM):
    """A loaded model. Of several ranks the first asks, in a block of `engine.leading`."""

    def __init__(
        self,
        model: LoadedModel,
        tokenizer: Codec,
        answers: Answers,
        batch_tokens: int,
        first_id: int | None = None,
        cache_mb: int | None = None,
    ) -> None:
        """Begin every context with `first_id`; None: the end-of-sequence token. `cache_mb` is as in Engine."""
        first_id = tokenizer.eos_id if first_id is None else first_id
        super().__init__(tokenizer, first_id, model.seq_len, model.seq_len + 1)  # the last scored token is no input
        self.model = model
        self.answers = answers
        self.batch_tokens = batch_tokens
        self.placing: Placing | None = None
        """The pictures of the prompts; None: there are none."""
        self.engine = Engine(model, tokenizer, batch_tokens, cache_mb)
        self.called: list[dict[str, str]] = []
        """What was written with tools, calls included: {prompt, text}."""

    def write(self, prompts: list[Prompt]) -> list[Written]:
        """Return the continuation of each prompt."""
        requests = [_request(prompt) for prompt in prompts]
        order = sorted(range(len(requests)), key=lambda index: (requests[index].prompt, index))
        found: dict[int, Written] = {}
        for start in range(0, len(order), _ROWS_A_GROUP):
            numbers = order[start : start + _ROWS_A_GROUP]
            group, days = [requests[number] for number in numbers], [prompts[number].day for number in numbers]
            rows = [[asdict(each.sampling), each.prompt, each.key, *each.ends] for each in group]
            rows += [[self.engine.tools.identity, *days]] if self.engine.tools else []
            kept = self.answers.ask("generate", rows, partial(self._generated, group, days))
            for number, each in zip(numbers, kept, strict=True):
                text = self._answered(prompts[number], each["text"])
                found[number] = Written(text, len(each["tokens"]), each["stopped"], tuple(each["tokens"]))
        return [found[index] for index in range(len(requests))]

    def score_windows(self, windows: list[Window]) -> list[Scored]:
        """Return the score of each window's second part. What windows begin with alike is computed once."""
        scored: dict[int, Scored] = {}
        limit = group_tokens(self.model.config, self.batch_tokens)
        for group in plan_groups([inputs_of(window) for window in windows], limit):
            rows = [windows[index] for index in group]
            kept = self.answers.ask("score", rows, partial(self._scores, rows))
            scored.update((index, (logprob, greedy)) for index, (logprob, greedy) in zip(group, kept, strict=True))
        return [scored[index] for index in range(len(windows))]

    def _answered(self, prompt: Prompt, text: str) -> str:
        """Return a continuation without its calls, which tasks do not know."""
        if self.engine.tools is None:
            return text
        self.called.append({"prompt": str(prompt.context), "text": text})
        return without_calls(text)

    def _generated(self, requests: Sequence[Request], days: Sequence[str]) -> list[dict[str, Any]]:
        if self.placing is not None:
            self.engine.look(self.placing.shown(request.prompt for request in requests))
        return self.engine.generate(requests, days)

    def _scores(self, windows: Sequence[Window]) -> list[tuple[float, bool]]:
        if self.placing is not None:
            self.engine.look(self.placing.shown(given for given, _ in windows))
        return self.engine.score(windows)


def _request(prompt: Prompt) -> Request:
    digest = hashlib.sha256(",".join(map(str, prompt.ids)).encode()).hexdigest()
    return Request(prompt=prompt.ids, sampling=prompt.sampling, key=f"{digest}/{prompt.draw}", ends=prompt.ends)
