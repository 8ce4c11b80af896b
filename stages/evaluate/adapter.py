"""Answers lm-eval's three kinds of request with the engine of stages/generate.

Every context begins with the token that the training's sequences begin with: the end-of-sequence token for our own
checkpoints, a folder's own for one of Hugging Face's.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from lm_eval.api.instance import Instance
from lm_eval.api.model import LM
from lm_eval.utils import get_rolling_token_windows, make_disjoint_window

from stages.evaluate.answers import Answers
from stages.evaluate.engine import Engine
from stages.generate.memory import MAX_ROWS, group_tokens
from stages.generate.plan import plan_groups
from stages.generate.requests import Continuation, Request
from stages.generate.sampling import Logprobs, Sampling
from stages.generate.scoring import inputs_of
from stages.generate.text import Codec
from stages.model.checkpoint.load import LoadedModel
from stages.shared.errors import ConfigError

ADAPTER_VERSION = 2
"""Version of what this module makes of a request. Raise it when new answers cannot be compared with old ones."""
_ROWS_A_GROUP = 2 * MAX_ROWS
"""Generations that are answered, and kept, together."""

Window = tuple[list[int], list[int]]
"""Tokens given and tokens scored, together at most seq_len + 1: the last scored token is never an input."""


@dataclass
class Cut:
    """What did not fit into the model, and was cut from the left of contexts."""

    requests: int = 0
    tokens: int = 0


class CheckpointLM(LM):
    """An lm-eval model over a loaded model. Of several ranks the first asks, in a block of `engine.leading`."""

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
        super().__init__()
        self.model = model
        self.encoder = tokenizer
        self.first_id = tokenizer.eos_id if first_id is None else first_id
        self.answers = answers
        self.batch_tokens = batch_tokens
        self.cut = Cut()
        self.engine = Engine(model, tokenizer, batch_tokens, cache_mb)

    def loglikelihood(self, requests: list[Instance]) -> list[tuple[float, bool]]:
        """Return for each request the log probability of the continuation in nats, and whether it is the greedy one."""
        return self._score([self._windows(*pair) for pair in self.encode_pairs(requests)])

    def loglikelihood_rolling(self, requests: list[Instance]) -> list[float]:
        """Return the log probability in nats of each text, its first token included."""
        texts = [request.args[0] for request in requests]
        scores = self._score([self._windows([self.first_id], self.encoder.encode(text)) for text in texts])
        return [logprob for logprob, _ in scores]

    def generate_until(self, requests: list[Instance]) -> list[str]:
        """Return the continuation of each context, cut before the first stop text."""
        asked = [(request.args[0], read_sampling(request.args[1])) for request in requests]
        return [done.text for done in self.generate(asked)]

    def generate(self, asked: Sequence[tuple[str, Sampling]]) -> list[Continuation]:
        """Return the continuation of each context. Equal contexts draw for themselves, the first, the second ..."""
        seen: Counter[tuple[int, ...]] = Counter()
        requests = []
        for context, sampling in asked:
            prompt = tuple(self._fitting([self.first_id, *self.encoder.encode(context)], self._prompt_room(sampling)))
            digest = hashlib.sha256(",".join(map(str, prompt)).encode()).hexdigest()
            requests.append(Request(prompt=prompt, sampling=sampling, key=f"{digest}/{seen[prompt]}"))
            seen[prompt] += 1
        order = sorted(range(len(requests)), key=lambda index: (requests[index].prompt, index))
        found: dict[int, Continuation] = {}
        for start in range(0, len(order), _ROWS_A_GROUP):
            numbers = order[start : start + _ROWS_A_GROUP]
            group = [requests[number] for number in numbers]
            rows = [[asdict(request.sampling), request.prompt, request.key] for request in group]
            kept = self.answers.ask("generate", rows, partial(self.engine.generate, group))
            found.update(zip(numbers, map(_read_continuation, kept), strict=True))
        return [found[index] for index in range(len(requests))]

    def _prompt_room(self, sampling: Sampling) -> int:
        """Return the tokens of a prompt that leave room for all that may follow: half the model at the least."""
        return max(self.model.seq_len - sampling.max_tokens, self.model.seq_len // 2)

    def encode_pairs(self, requests: Sequence[Instance]) -> Iterator[Window]:
        """Yield the tokens given and the tokens scored of each request.

        Spaces at the end of the context belong to the continuation, as in lm-eval's own models. Both are encoded as
        one text, because the training encodes whole texts. The continuation begins at the first token that the context
        alone would not have: a token across the border is scored with the continuation. lm-eval would keep the
        context's own tokens, and give the model a sequence that no text is encoded to. All choices of a document with
        one context have one border, the first of theirs: what is compared is scored from the same place.
        """
        alone: dict[str, list[int]] = {}
        wholes, borders, keys = [], [], []
        first_border: dict[tuple[Any, ...], int] = {}
        for request in requests:
            context, continuation = request.args
            stripped = context.rstrip()
            if stripped not in alone:
                alone[stripped] = self.encoder.encode(stripped) if stripped else []
            whole = self.encoder.encode(context + continuation)
            key = (request.task_name, request.doc_id, context)
            border = _common_length(alone[stripped], whole)
            first_border[key] = min(border, first_border.get(key, border))
            wholes.append(whole)
            keys.append(key)
        borders = [first_border[key] for key in keys]
        for whole, border in zip(wholes, borders, strict=True):
            yield [self.first_id, *whole[:border]], whole[border:]

    def _windows(self, context: list[int], continuation: list[int]) -> list[Window]:
        """Cut a request into windows that fit the model; each token of the continuation is scored once."""
        seq_len = self.model.seq_len
        if not continuation:
            return []
        if len(continuation) <= seq_len:
            return [(self._fitting(context, seq_len + 1 - len(continuation)), continuation)]
        rolling = get_rolling_token_windows(continuation, context[-1], max_seq_len=seq_len, context_len=1)
        return [make_disjoint_window(window) for window in rolling]

    def _fitting(self, context: list[int], room: int) -> list[int]:
        """Return a context of at most `room` tokens: the first token and the last ones. Counts what is cut."""
        if len(context) <= room:
            return context
        self.cut.requests += 1
        self.cut.tokens += len(context) - room
        return [*context[:1], *context[len(context) - room + 1 :]]

    def _score(self, requests: list[list[Window]]) -> list[tuple[float, bool]]:
        windows = [window for request in requests for window in request]
        scored: dict[int, tuple[float, bool]] = {}
        limit = group_tokens(self.model.config, self.batch_tokens)
        for group in plan_groups([inputs_of(window) for window in windows], limit):
            rows = [windows[index] for index in group]
            kept = self.answers.ask("score", rows, partial(self.engine.score, rows))
            scored.update(zip(group, kept, strict=True))
        totals, start = [], 0
        for request in requests:
            parts = [scored[start + offset] for offset in range(len(request))]
            totals.append((sum(logprob for logprob, _ in parts), all(greedy for _, greedy in parts)))
            start += len(request)
        return totals


def _common_length(one: Sequence[int], other: Sequence[int]) -> int:
    return next((i for i, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), len(one))


def _read_continuation(kept: dict[str, Any]) -> Continuation:
    """Return a continuation as JSON holds it."""
    logprobs = tuple(
        Logprobs(each["chosen"], tuple((token, value) for token, value in each["best"])) for each in kept["logprobs"]
    )
    tokens, inserted = tuple(kept["tokens"]), tuple(kept["inserted"])
    return Continuation(**kept | {"tokens": tokens, "inserted": inserted, "logprobs": logprobs})


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
