"""Sampling of a policy's responses, in planned batches: finished ones are files.

A response is a function of (seed, round, prompt, sample) and the policy: each of its tokens has a draw of its own. The
batches are planned, so that each is the same bytes on any number of replicas and shards, and after any kill.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from megatron.core import parallel_state

from stages.align.prompts import Prompt
from stages.formats.reinforcement.rollouts import Rollout, read_rollouts, write_rollouts
from stages.formats.tokenizer import Tokenizer
from stages.generate.generation import Generator
from stages.generate.memory import BATCH_TOKENS, cache_bytes, generation_slots, slot_bytes, weight_bytes
from stages.generate.passes import Passes, layout
from stages.generate.requests import Continuation, Request
from stages.generate.sampling import Sampling
from stages.model import parallel
from stages.model.checkpoint.load import LoadedModel
from stages.shared.errors import Checkpointed, DataError

Wanted = tuple[Prompt, int]
"""A prompt and the number of the response to it."""


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Responses that are sampled together."""

    number: int
    """Place of the batch in its round."""
    wanted: tuple[Wanted, ...]


def planned(prompts: Sequence[Prompt], samples: int, size: int) -> list[Batch]:
    """Return the batches of a round, of `size` responses at most: those to one prompt one after another."""
    wanted: list[Wanted] = []
    answered: Counter[str] = Counter()  # a round with the end of an epoch may have a prompt twice
    for prompt in prompts:
        first = answered[prompt.id]
        wanted += [(prompt, sample) for sample in range(first, first + samples)]
        answered[prompt.id] += samples
    starts = range(0, len(wanted), size)
    return [Batch(number=at, wanted=tuple(wanted[first : first + size])) for at, first in enumerate(starts)]


def share(batches: Sequence[Batch], part: int, parts: int) -> Sequence[Batch]:
    """Return the batches of one of the parts of a round, which follow one another."""
    return batches[len(batches) * part // parts : len(batches) * (part + 1) // parts]


@dataclass(frozen=True, kw_only=True)
class Sampler:
    """Samples responses of one policy."""

    model: LoadedModel
    policy: str
    """Digest of the model's weights."""
    tokenizer: Tokenizer
    sampling: Sampling
    end_id: int | None
    """Token that ends an answer, besides the end of the sequence."""
    round: int
    should_stop: Callable[[], bool] = lambda: False
    """As Task.should_stop."""
    progress: Callable[[int], None] = lambda _: None
    """As Task.progress, of batches."""

    def sample(self, batches: Sequence[Batch], folder: Path, *, replica: int = 0, replicas: int = 1) -> list[Rollout]:
        """Return the responses of batches, in order. Collective over the model's ranks, and over all replicas.

        A batch that lies in `folder` with this policy's digest is read and not sampled. Replicas share out the others.
        Raises Checkpointed once `should_stop()` is true: what is sampled stays.
        """
        files = [folder / f"batch-{batch.number:05d}.jsonl" for batch in batches]
        missing = parallel.agree([place for place, file in enumerate(files) if not _is_of(file, self.policy)])
        turns = [missing[first : first + replicas] for first in range(0, len(missing), replicas)]
        for turn in turns:
            if parallel.agree(self.should_stop()):
                raise Checkpointed(f"before batch {batches[turn[0]].number}")
            for place in turn[replica : replica + 1]:
                made = self.answers(batches[place].wanted)
                if _writes(replicas):
                    write_rollouts(files[place], made)
                self.progress(place + 1)
        parallel.wait_for_all()
        return [rollout for file in files for rollout in read_rollouts(file)]

    def answers(self, wanted: Sequence[Wanted]) -> list[Rollout]:
        """Return the responses, in order. Collective over the model's ranks."""
        requests = [
            Request(
                prompt=prompt.context,
                sampling=self.sampling,
                key=f"{self.round}/{sample}/{prompt.id}",
                ends=() if self.end_id is None else (self.end_id,),
            )
            for prompt, sample in wanted
        ]
        passes = self._passes([len(request.prompt) + self.sampling.max_tokens for request in requests])
        generator = Generator(passes, self.tokenizer, max_rows=len(requests), batch=BATCH_TOKENS)
        found = zip(wanted, generator.generate(requests), strict=True)
        return [self._rollout(prompt, sample, answer) for (prompt, sample), answer in found]

    def _passes(self, lengths: Sequence[int]) -> Passes:
        """Return the policy with a cache for rows of these lengths."""
        config, number_bytes = self.model.config, self.model.dtype.itemsize
        slot = slot_bytes(config, number_bytes, layout())
        most = cache_bytes(weight_bytes(config, self.model.vocab_size, number_bytes, layout()))
        return Passes(self.model, generation_slots(config, most, slot, lengths))

    def _rollout(self, prompt: Prompt, sample: int, answer: Continuation) -> Rollout:
        tokens = answer.tokens if answer.end is None else (*answer.tokens, answer.end)
        sampled = iter(answer.logprobs)
        inserted = set(answer.inserted)
        return Rollout(
            prompt=prompt.id,
            messages=prompt.messages,
            sample=sample,
            finish=answer.stopped,
            policy=self.policy,
            text=answer.text,
            context=prompt.context,
            tokens=tokens,
            logprobs=tuple(0.0 if place in inserted else next(sampled).chosen for place in range(len(tokens))),
            inserted=answer.inserted,
        )


def _writes(replicas: int) -> bool:
    """Return whether this rank writes what its replica of the model samples."""
    is_first = parallel_state.get_tensor_model_parallel_rank() == 0 and parallel_state.is_pipeline_first_stage()
    return is_first if replicas > 1 else parallel.is_first()


def _is_of(path: Path, policy: str) -> bool:
    """Return whether a file has whole responses of a policy."""
    if not path.exists():
        return False
    try:
        return all(rollout.policy == policy for rollout in read_rollouts(path))
    except DataError:
        return False
