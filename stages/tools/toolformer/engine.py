"""The model of an annotation on stages/generate: scores with shared prefixes, samples calls in a batch with a cache."""

from __future__ import annotations

from collections.abc import Sequence

from stages.formats.calls.inline import START, InlineCall, find_calls
from stages.generate.generation import Generator
from stages.generate.memory import BATCH_TOKENS, MAX_ROWS, cache_bytes, generation_slots, scoring_slots, slot_bytes
from stages.generate.memory import weight_bytes as bytes_of
from stages.generate.opening import Opened
from stages.generate.passes import Passes, layout
from stages.generate.requests import Growth, Request, Stop
from stages.generate.sampling import Sampling
from stages.generate.scoring import score
from stages.tools.toolformer.annotating import Tokens, Window

CALL_TOKENS = 64
"""Most tokens of a call."""
_ANY = "a"


class EngineModel:
    """A loaded model that samples calls and scores texts. Collective: every rank of it makes the same calls."""

    def __init__(self, opened: Opened, seed: int) -> None:
        self._opened, self._codec, self._seed = opened, opened.codec, seed
        self.first: Tokens = (opened.first_id,)
        with_start, without = (opened.codec.encode(text) for text in (_ANY + START, _ANY))
        self.start: Tokens = tuple(with_start[len(without) :])
        self.max_tokens = opened.seq_len

    def encode(self, text: str) -> Tokens:
        """Return the tokens of a text."""
        return tuple(self._codec.encode(text))

    def decode(self, tokens: Tokens) -> str:
        """Return the text of tokens."""
        return self._codec.decode(tokens)

    def score(self, windows: Sequence[Window]) -> list[float]:
        """Return the log probability of the wanted tokens of each window, in nats."""
        if not windows:
            return []
        passes = Passes(self._opened.model, scoring_slots(self._opened.model.config, BATCH_TOKENS))
        return [found.logprob for found in score(passes, windows, BATCH_TOKENS)]

    def sample(self, prompts: Sequence[tuple[Tokens, str]]) -> list[str]:
        """Return what follows each prompt, which ends with the start of a call, up to the end of the call."""
        if not prompts:
            return []
        model = self._opened.model
        sampling = Sampling(max_tokens=CALL_TOKENS, temperature=1.0, seed=self._seed)
        requests = [Request(prompt=tokens, sampling=sampling, key=key, hook=_at_end) for tokens, key in prompts]
        number, split = model.dtype.itemsize, layout()
        cache = cache_bytes(bytes_of(model.config, model.vocab_size, number, split), None)
        wanted = [len(tokens) + CALL_TOKENS for tokens, _ in prompts]
        slots = generation_slots(model.config, cache, slot_bytes(model.config, number, split), wanted)
        generator = Generator(Passes(model, slots), self._codec, max_rows=MAX_ROWS, batch=BATCH_TOKENS)
        return [found.text for found in generator.generate(requests)]


def _at_end(growth: Growth) -> Stop | None:
    """End a row whose call is whole. Brackets in strings and in one another are part of the call."""
    text = growth.text
    if "]" not in text:
        return None
    call = next(find_calls(f"[{text}"), None)
    return Stop("call") if isinstance(call, InlineCall) else None
