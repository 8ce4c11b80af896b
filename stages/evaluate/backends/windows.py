"""Base of every backend: the tokens of a request, its windows, counts of what is cut. A backend scores windows and
continues prompts.

Every context begins with the token that the training's sequences begin with: the end-of-sequence token for our own
checkpoints, a folder's own for one of Hugging Face's. A conversation brings the tokens of its template
(stages/evaluate/backends/dialogue.py).
"""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lm_eval.api.instance import Instance
from lm_eval.api.model import LM
from lm_eval.utils import get_rolling_token_windows, make_disjoint_window

from stages.evaluate.backends.dialogue import Conversation
from stages.generate.sampling import Sampling
from stages.generate.text import Codec
from stages.shared.errors import ConfigError

ADAPTER_VERSION = 3
"""Version of what these modules make of a request. Raise it when new answers cannot be compared with old ones."""
MAX_TOKENS_NAMES = ("max_gen_toks", "max_new_tokens", "max_tokens")
"""Names of the length of a generation in lm-eval's tasks; 256 tokens is lm-eval's own default."""
SERVED = 1
"""Tokens that a server generates behind a prompt that it scores: its window is so much shorter than its sequence."""

Window = tuple[list[int], list[int]]
"""Tokens given and tokens scored."""
Scored = tuple[float, bool]
"""The log probability of a continuation in nats, and whether it is the greedy one."""


@dataclass
class Cut:
    """What did not fit into the model, and was cut from the left of contexts; and answers that are not whole."""

    requests: int = 0
    tokens: int = 0
    withheld: int = 0
    """Answers that an endpoint's filter withheld. They are scored as they came."""
    unfinished: int = 0
    """Answers that neither the model nor a stop text ended, but the number of their tokens."""


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """A context to continue."""

    context: str
    ids: tuple[int, ...]
    """With the first token; what did not fit is cut."""
    sampling: Sampling
    draw: int
    """Number of the prompt among the equal ones: each is another sample."""
    day: str = ""
    """Date that a calendar tells, as 2026-11-27; empty: none."""

    @property
    def ends(self) -> tuple[int, ...]:
        """Tokens that end the continuation, besides the end-of-sequence token."""
        return self.context.template.ends if isinstance(self.context, Conversation) else ()


@dataclass(frozen=True)
class Written:
    """The continuation of a prompt."""

    text: str
    """Cut before the first stop text."""
    tokens: int
    stopped: str
    """`eos`, `until` or `length`."""
    ids: tuple[int, ...] = ()
    """The tokens, where the backend knows them."""


class WindowLM(LM):
    """An lm-eval model over a backend that scores windows of tokens and continues prompts."""

    def __init__(self, codec: Codec, first_id: int, seq_len: int, score_len: int) -> None:
        """`seq_len` bounds a prompt with its continuation, `score_len` a window: tokens given and scored."""
        super().__init__()
        self.encoder = codec
        self.first_id = first_id
        self.seq_len, self.score_len = seq_len, score_len
        self.cut = Cut()
        self._drops_space = not codec.decode(codec.encode("a b")[1:]).startswith(" ")
        """Whether a text that is decoded alone loses the space before it."""

    @abstractmethod
    def score_windows(self, windows: list[Window]) -> list[Scored]:
        """Return the score of each window's second part."""

    @abstractmethod
    def write(self, prompts: list[Prompt]) -> list[Written]:
        """Return the continuation of each prompt."""

    def loglikelihood(self, requests: list[Instance]) -> list[Scored]:
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
        found = self.generate(asked, [day_of(request.doc) for request in requests])
        self.cut.unfinished += sum(done.stopped == "length" for done in found)
        return [self._answer(context, done.text) for (context, _), done in zip(asked, found, strict=True)]

    def _answer(self, context: str, text: str) -> str:
        """Return a continuation as lm-eval's own models do, which decode the new tokens alone.

        SentencePiece then drops the space before the first word, and tasks compare the rest with a bare answer. Behind
        white space a plain text stays as it is: in code, the space is indentation.
        """
        is_indented = not isinstance(context, Conversation) and context[-1:].isspace()
        return text if is_indented or not self._drops_space else text.removeprefix(" ")

    def generate(self, asked: Sequence[tuple[str, Sampling]], days: Sequence[str] = ()) -> list[Written]:
        """Return the continuation of each context. Equal contexts draw for themselves, the first, the second ...

        `days` are the dates that a calendar tells in each; none where there is no calendar.
        """
        seen: Counter[tuple[int, ...]] = Counter()
        prompts = []
        for (context, sampling), day in zip(asked, days or [""] * len(asked), strict=True):
            ids = tuple(self._fitting(self.context_ids(context), self._prompt_room(sampling)))
            prompts.append(Prompt(context=context, ids=ids, sampling=sampling, draw=seen[ids], day=day))
            seen[ids] += 1
        return self.write(prompts)

    def context_ids(self, context: str) -> list[int]:
        """Return the tokens of a context that is continued."""
        return context.ids() if isinstance(context, Conversation) else [self.first_id, *self.encoder.encode(context)]

    def _prompt_room(self, sampling: Sampling) -> int:
        """Return the tokens of a prompt that leave room for all that may follow: half the model at the least."""
        return max(self.seq_len - sampling.max_tokens, self.seq_len // 2)

    def encode_pairs(self, requests: Sequence[Instance]) -> Iterator[Window]:
        """Yield the tokens given and the tokens scored of each request.

        Spaces at the end of the context belong to the continuation, as in lm-eval's own models. Both are encoded as
        one text, because the training encodes whole texts. The continuation begins at the first token that the context
        alone would not have: a token across the border is scored with the continuation. lm-eval would keep the
        context's own tokens, and give the model a sequence that no text is encoded to. All choices of a document with
        one context have one border, the first of theirs: what is compared is scored from the same place.
        """
        alone: dict[tuple[type, str], list[int]] = {}
        wholes, keys = [], []
        first_border: dict[tuple[Any, ...], int] = {}
        for request in requests:
            context, continuation = request.args[:2]
            if (type(context), context) not in alone:
                alone[type(context), context] = self._given_ids(context)
            whole = self._whole_ids(context, continuation)
            key = (request.task_name, request.doc_id, context)
            border = _common_length(alone[type(context), context], whole)
            first_border[key] = min(border, first_border.get(key, border))
            wholes.append(whole)
            keys.append(key)
        for whole, key in zip(wholes, keys, strict=True):
            yield whole[: first_border[key]], whole[first_border[key] :]

    def _given_ids(self, context: str) -> list[int]:
        if isinstance(context, Conversation):
            return context.given_ids()
        stripped = context.rstrip()
        return [self.first_id, *(self.encoder.encode(stripped) if stripped else [])]

    def _whole_ids(self, context: str, continuation: str) -> list[int]:
        if isinstance(context, Conversation):
            return context.ids(continuation)
        return [self.first_id, *self.encoder.encode(context + continuation)]

    def _windows(self, context: list[int], continuation: list[int]) -> list[Window]:
        """Cut a request into windows that fit the model; each token of the continuation is scored once."""
        if not continuation:
            return []
        if len(continuation) < self.score_len:
            return [(self._fitting(context, self.score_len - len(continuation)), continuation)]
        rolling = get_rolling_token_windows(continuation, context[-1], max_seq_len=self.score_len - 1, context_len=1)
        return [make_disjoint_window(window) for window in rolling]

    def _fitting(self, context: list[int], room: int) -> list[int]:
        """Return a context of at most `room` tokens: the first token and the last ones. Counts what is cut.

        Raises ConfigError for a context with pictures: half a picture is none.
        """
        if len(context) <= room:
            return context
        if min(context) < 0:
            wanted = f"pictures and questions of at most {room} positions together, which this model takes"
            raise ConfigError("pictures", f"{len(context)} positions", wanted)
        self.cut.requests += 1
        self.cut.tokens += len(context) - room
        return [*context[:1], *context[len(context) - room + 1 :]]

    def _score(self, requests: list[list[Window]]) -> list[Scored]:
        scored = self.score_windows([window for request in requests for window in request])
        totals, start = [], 0
        for request in requests:
            parts = scored[start : start + len(request)]
            totals.append((sum(logprob for logprob, _ in parts), all(greedy for _, greedy in parts)))
            start += len(request)
        return totals


def day_of(row: Mapping[str, Any]) -> str:
    """Return the `date` of a task's row as 2026-11-27; empty: it has none. datasets makes a time of such a text."""
    return str(row.get("date") or "")[:10]


def _common_length(one: Sequence[int], other: Sequence[int]) -> int:
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (left, right) in pairs if left != right), min(len(one), len(other)))


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
