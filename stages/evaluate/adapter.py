"""Answers lm-eval's three kinds of request with one of our checkpoints.

Every context begins with the end-of-sequence id, because every document in training does.
Shape suffixes: B = rows, T = tokens of a row, V = vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

import torch
from lm_eval.api.instance import Instance
from lm_eval.api.model import LM
from lm_eval.utils import get_rolling_token_windows, make_disjoint_window

from stages.evaluate.answers import Answers, plan_batches
from stages.evaluate.interfaces import CausalModel, Codec
from stages.evaluate.sampling import Continuation, Sampling, continue_rows, pad
from stages.shared.errors import ConfigError

Window = tuple[list[int], list[int]]
"""Tokens given and tokens scored, together at most seq_len + 1: the last scored token is never an input."""


class CheckpointLM(LM):
    """An lm-eval model over a loaded checkpoint, on one process."""

    def __init__(self, model: CausalModel, tokenizer: Codec, answers: Answers, batch_tokens: int) -> None:
        super().__init__()
        self.model = model
        self.encoder = tokenizer
        self.prefix_id = tokenizer.eos_id
        self.answers = answers
        self.batch_tokens = batch_tokens

    def loglikelihood(self, requests: list[Instance]) -> list[tuple[float, bool]]:
        """Return for each request the log probability of the continuation in nats, and whether it is the greedy one."""
        pairs = [self.encode_pair(*request.args) for request in requests]
        return self._score([self._windows(context, continuation) for context, continuation in pairs])

    def loglikelihood_rolling(self, requests: list[Instance]) -> list[float]:
        """Return the log probability in nats of each text, its first token included."""
        texts = [request.args[0] for request in requests]
        scores = self._score([self._windows([self.prefix_id], self.encoder.encode(text)) for text in texts])
        return [logprob for logprob, _ in scores]

    def generate_until(self, requests: list[Instance]) -> list[str]:
        """Return the continuation of each context, cut before the first stop text."""
        by_sampling: dict[Sampling, list[int]] = {}
        for number, request in enumerate(requests):
            by_sampling.setdefault(read_sampling(request.args[1]), []).append(number)
        texts = [""] * len(requests)
        for sampling, numbers in by_sampling.items():
            contexts = [requests[number].args[0] for number in numbers]
            for number, continuation in zip(numbers, self.generate(contexts, sampling), strict=True):
                texts[number] = continuation.text
        return texts

    def generate(self, contexts: Sequence[str], sampling: Sampling) -> list[Continuation]:
        """Return the continuation of each context."""
        prompts = [[self.prefix_id, *self.encoder.encode(context)] for context in contexts]
        lengths = [min(len(prompt) + sampling.max_tokens, self.model.seq_len) for prompt in prompts]
        found: dict[int, Continuation] = {}
        for batch in plan_batches(lengths, self.batch_tokens):
            rows = {index: prompts[index] for index in batch}
            kept = self.answers.ask(
                "generate", [asdict(sampling), *rows.items()], partial(self._generate_batch, rows, sampling)
            )
            found.update(zip(batch, (Continuation(**done) for done in kept), strict=True))
        return [found[index] for index in range(len(contexts))]

    def _generate_batch(self, rows: dict[int, list[int]], sampling: Sampling) -> list[dict[str, Any]]:
        return [asdict(done) for done in continue_rows(self.model, self.encoder, rows, sampling)]

    def encode_pair(self, context: str, continuation: str) -> tuple[list[int], list[int]]:
        """Return the tokens of context and continuation.

        Spaces at the end of the context belong to the continuation, as in lm-eval's own models. Both are encoded as
        one text, because the training encodes whole texts. The continuation begins at the first token that the context
        alone would not have: a token across the border is scored with the continuation. lm-eval would keep the
        context's own tokens, and give the model a sequence that no text is encoded to.
        """
        stripped = context.rstrip()
        whole = self.encoder.encode(context + continuation)
        alone = self.encoder.encode(stripped) if stripped else []
        split = next((i for i, pair in enumerate(zip(alone, whole, strict=False)) if pair[0] != pair[1]), len(alone))
        return [self.prefix_id, *whole[:split]], whole[split:]

    def _windows(self, context: list[int], continuation: list[int]) -> list[Window]:
        """Cut a request into windows that fit the model; each token of the continuation is scored once."""
        seq_len = self.model.seq_len
        if not continuation:
            return []
        if len(continuation) <= seq_len:
            return [(context[-(seq_len + 1 - len(continuation)) :], continuation)]
        rolling = get_rolling_token_windows(continuation, context[-1], max_seq_len=seq_len, context_len=1)
        return [make_disjoint_window(window) for window in rolling]

    def _score(self, requests: list[list[Window]]) -> list[tuple[float, bool]]:
        windows = [window for request in requests for window in request]
        scored: dict[int, tuple[float, bool]] = {}
        lengths = [len(given) + len(wanted) - 1 for given, wanted in windows]
        for batch in plan_batches(lengths, self.batch_tokens):
            rows = [windows[index] for index in batch]
            kept = self.answers.ask("score", rows, partial(self._score_batch, rows))
            scored.update(zip(batch, kept, strict=True))
        totals, start = [], 0
        for request in requests:
            parts = [scored[start + offset] for offset in range(len(request))]
            totals.append((sum(logprob for logprob, _ in parts), all(greedy for _, greedy in parts)))
            start += len(request)
        return totals

    @torch.inference_mode()
    def _score_batch(self, rows: list[Window]) -> list[tuple[float, bool]]:
        logits_btv = self.model.logits(pad([[*given, *wanted][:-1] for given, wanted in rows]))
        return [score_row(logits_tv, *row) for logits_tv, row in zip(logits_btv, rows, strict=True)]


def score_row(logits_tv: torch.Tensor, given: list[int], wanted: list[int]) -> tuple[float, bool]:
    """Return the log probability of the wanted tokens in nats, and whether each is the likeliest one."""
    start = len(given) - 1
    logprobs_tv = torch.log_softmax(logits_tv[start : start + len(wanted)].float().cpu(), dim=-1)
    targets_t = torch.tensor(wanted, dtype=torch.int64)
    logprob = logprobs_tv.gather(1, targets_t[:, None]).double().sum()
    return float(logprob), bool((logprobs_tv.argmax(-1) == targets_t).all())


def read_sampling(options: dict[str, Any]) -> Sampling:
    """Return lm-eval's generation options as a Sampling. Raises ConfigError for an option that has no equivalent."""
    options = dict(options)
    until = options.pop("until", ())
    sampled = options.pop("do_sample", options.get("temperature", 0.0) > 0.0)
    temperature = options.pop("temperature", 1.0)
    sampling = Sampling(
        max_tokens=next((int(options.pop(name)) for name in MAX_TOKENS_NAMES if name in options), 256),
        temperature=float(temperature) if sampled else 0.0,
        top_k=int(options.pop("top_k", 0)),
        top_p=float(options.pop("top_p", 1.0)),
        until=(until,) if isinstance(until, str) else tuple(until),
    )
    if options:
        raise ConfigError(
            "generation_kwargs of the task", options, "one of until, do_sample, temperature, top_k, top_p, max_gen_toks"
        )
    return sampling


MAX_TOKENS_NAMES = ("max_gen_toks", "max_new_tokens", "max_tokens")
"""Names of the length of a generation in lm-eval's tasks; 256 tokens is lm-eval's own default."""
