"""The engine of a unit, over all ranks of its model: rank 0 decides what is computed, and the others compute along.

lm-eval, its data, the answers and the results are rank 0's alone: the other ranks are given tokens, not tasks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any, Literal

from megatron.core import parallel_state

from stages.evaluate.backends.calling import UnitTools
from stages.generate.features import Features
from stages.generate.generation import Generator
from stages.generate.memory import MAX_ROWS, cache_bytes, generation_slots, scoring_slots, slot_bytes, weight_bytes
from stages.generate.passes import Passes, layout
from stages.generate.requests import Request
from stages.generate.scoring import Window, score
from stages.generate.text import Codec
from stages.model import parallel
from stages.model.checkpoint.load import LoadedModel
from stages.shared.errors import Checkpointed, StagecoachError

Order = tuple[Literal["look", "score", "generate", "end", "stop"], Any]
"""What the ranks do next, and with what."""


Shown = Mapping[str, Sequence[Any]]
"""Squares of pictures or pieces of sounds, by key."""


class Engine:
    """A model that scores and continues groups of tokens, in any layout."""

    def __init__(self, model: LoadedModel, codec: Codec, batch_tokens: int, cache_mb: int | None = None) -> None:
        """Take `batch_tokens` a step, and for a generation's cache `cache_mb` at most: see stages.generate.memory."""
        self.model = model
        self.tools: UnitTools | None = None
        """Tools that texts may call, the same on all ranks; None: there are none, and nothing is kept from calling."""
        self.tokens = 0
        """Tokens computed."""
        self._codec = codec
        self._batch = batch_tokens
        self._features = Features()
        config, number, split = model.config, model.dtype.itemsize, layout()
        asked = None if cache_mb is None else cache_mb * 1_000_000
        self._slot = slot_bytes(config, number, split)
        self._cache = cache_bytes(weight_bytes(config, model.vocab_size, number, split), asked)

    def look(self, shown: Shown) -> None:
        """Encode the pictures or sounds of the next windows or requests, and forget all others. Without any, nothing
        happens.

        Rank 0 calls it; the others `follow`.
        """
        if shown:
            _order(("look", shown))
            self._look(shown)

    def score(self, windows: Sequence[Window]) -> list[tuple[float, bool]]:
        """Return for each window the log probability of its wanted tokens in nats, and whether all are greedy.

        Rank 0 calls it; the others `follow`.
        """
        _order(("score", windows))
        return self._score(windows)

    def generate(self, requests: Sequence[Request], days: Sequence[str] = ()) -> list[dict[str, Any]]:
        """Return the continuation of each request, as plain data. Rank 0 calls it; the others `follow`.

        `days` are the dates that the calendar tells in each; with tools there is one for each request.
        """
        _order(("generate", (requests, days)))
        return self._generate(requests, days)

    def follow(self) -> None:
        """Compute what rank 0 asks for until its block of `leading` ends. Raises Checkpointed if that stops."""
        while True:
            order, given = parallel.agree(None, patiently=True)
            if order == "look":
                self._look(given)
            elif order == "score":
                self._score(given)
            elif order == "generate":
                self._generate(*given)
            elif order == "stop":
                raise Checkpointed
            else:
                return

    def _look(self, shown: Shown) -> None:
        sense = self.model.sense
        if sense is None or not parallel_state.is_pipeline_first_stage():
            return
        self._features.keep(shown)
        for key, cut in shown.items():
            if key not in self._features:
                self._features.add(key, sense.rows(cut))

    def _score(self, windows: Sequence[Window]) -> list[tuple[float, bool]]:
        passes = Passes(self.model, scoring_slots(self.model.config, self._batch), self._features)
        found = [(each.logprob, each.is_greedy) for each in score(passes, windows, self._batch)]
        self.tokens += passes.tokens
        return found

    def _generate(self, requests: Sequence[Request], days: Sequence[str]) -> list[dict[str, Any]]:
        if self.tools is not None:
            requests = [self.tools.on(request, day) for request, day in zip(requests, days, strict=True)]
        wanted = [len(request.prompt) + request.sampling.max_tokens for request in requests]
        slots = generation_slots(self.model.config, self._cache, self._slot, wanted)
        passes = Passes(self.model, slots, self._features)
        generator = Generator(passes, self._codec, max_rows=MAX_ROWS, batch=self._batch)
        found = [asdict(done) for done in generator.generate(requests)]
        self.tokens += passes.tokens
        return found


@contextmanager
def leading() -> Iterator[None]:
    """On rank 0: let the other ranks follow what happens in the block, and end with it.

    After an error that is no user's mistake they are left alone: they may be in the middle of a collective, and end
    when they lose this rank.
    """
    try:
        yield
    except Checkpointed:
        _order(("stop", ()))
        raise
    except StagecoachError:
        _order(("end", ()))
        raise
    _order(("end", ()))


def _order(order: Order) -> None:
    parallel.agree(order, patiently=True)
