"""The first phase: the policy answers prompts on the training's own ranks. Finished batches of answers are files.

A response is a function of (seed, round, prompt, sample) and the policy: each of its tokens has a draw of its own. The
batches are planned, so that each is the same bytes on any number of data parallel ranks and after any kill.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import torch.distributed as dist
from megatron.core import parallel_state

from stages.align.chat_encoder import chat_encoder
from stages.align.ppo.config import PpoConfig
from stages.formats.chat.chats import parse_chat
from stages.formats.reinforcement.rollouts import Rollout, read_rollouts, write_rollouts
from stages.formats.tokenizer import Tokenizer
from stages.generate.generation import Generator
from stages.generate.memory import BATCH_TOKENS, cache_bytes, generation_slots, slot_bytes, weight_bytes
from stages.generate.passes import Passes, layout
from stages.generate.requests import Continuation, Request
from stages.generate.sampling import Sampling
from stages.model import parallel
from stages.model.checkpoint.load import DTYPES, LoadedModel, build_for_reading
from stages.shared.contract import InputFile, unique_keys
from stages.shared.errors import DataError
from stages.train.engine import Engine


@dataclass(frozen=True)
class Prompt:
    """A conversation to answer."""

    id: str
    context: tuple[int, ...]
    """Its tokens, up to the begin of the answer."""
    text: str
    """Its last message, for people."""


@dataclass(frozen=True)
class Prompts:
    """The prompts of a training."""

    all: tuple[Prompt, ...]
    left_out: dict[str, int]
    """Chats that are no prompts, by reason."""
    end_id: int | None
    """The token that ends an answer; None: the end of sequence alone does."""


def read_prompts(
    config: PpoConfig, files: Sequence[InputFile], tokenizer: Tokenizer, *, reserved: bool = False
) -> Prompts:
    """Return the prompts of chats: all before the last answer. Raises DataError if none is left.

    `reserved` leaves room for a token behind the response.
    """
    encoder = chat_encoder(config.template, config.model, tokenizer)
    room = config.model.seq_len - config.max_new_tokens - reserved
    found: list[Prompt] = []
    left_out: Counter[str] = Counter()
    for file in files:
        for number, line in _lines(file.path):
            try:
                chat = parse_chat(json.loads(line), number)
                messages = chat.messages[:-1] if chat.messages[-1].role == "assistant" else chat.messages
                context = encoder.prompt(messages)
            except (ValueError, KeyError, TypeError, AttributeError):
                left_out["unreadable or not in the template"] += 1
                continue
            if not messages:
                left_out["no prompt"] += 1
            elif len(context) > room:
                left_out["too long"] += 1
            else:
                found.append(Prompt(f"{file.source}/{chat.id}", tuple(context), messages[-1].text))
    if not found:
        problem = f"no prompt of at most {room} tokens ({dict(left_out)})"
        raise DataError(files[0].path, problem, "Give it chats, or lower max_new_tokens")
    ids = unique_keys(prompt.id for prompt in found)
    prompts = tuple(replace(prompt, id=id) for id, prompt in zip(ids, found, strict=True))
    return Prompts(prompts, dict(left_out), encoder.end_id)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    with path.open(encoding="utf-8", errors="replace") as lines:
        yield from enumerate(lines, start=1)


class Sampler:
    """Samples a round's responses."""

    def __init__(self, config: PpoConfig, tokenizer: Tokenizer, end_id: int | None) -> None:
        self._config, self._tokenizer, self._end_id = config, tokenizer, end_id
        self._model: LoadedModel | None = None

    def sample(
        self, engine: Engine, policy: str, number: int, prompts: Sequence[Prompt], folder: Path
    ) -> list[Rollout]:
        """Return the responses to a round's prompts, those to one prompt one after another. Collective.

        `policy` is the digest of the engine's weights. Batches that lie in `folder` with it are read and not sampled.
        """
        wanted: list[tuple[Prompt, int]] = []
        answered: Counter[str] = Counter()  # a round with the end of an epoch may have a prompt twice
        for prompt in prompts:
            first, count = answered[prompt.id], self._config.samples
            wanted += [(prompt, sample) for sample in range(first, first + count)]
            answered[prompt.id] += count
        size = self._config.rollout_batch
        batches = [wanted[first : first + size] for first in range(0, len(wanted), size)]
        files = [folder / f"batch-{place:05d}.jsonl" for place in range(len(batches))]
        missing = parallel.agree([place for place, file in enumerate(files) if not _is_of(file, policy)])
        replica, replicas = parallel_state.get_data_parallel_rank(), parallel_state.get_data_parallel_world_size()
        writes = parallel_state.get_tensor_model_parallel_rank() == 0 and parallel_state.is_pipeline_first_stage()
        for place in missing[replica::replicas]:
            made = self._answer(engine, policy, number, batches[place])
            if writes:
                write_rollouts(files[place], made)
        parallel.wait_for_all()
        return [rollout for file in files for rollout in read_rollouts(file)]

    def _answer(self, engine: Engine, policy: str, number: int, wanted: Sequence[tuple[Prompt, int]]) -> list[Rollout]:
        config = self._config
        sampling = Sampling(max_tokens=config.max_new_tokens, temperature=1.0, seed=config.seed, logprobs=0)
        requests = [
            Request(
                prompt=prompt.context,
                sampling=sampling,
                key=f"{number}/{sample}/{prompt.id}",
                ends=() if self._end_id is None else (self._end_id,),
            )
            for prompt, sample in wanted
        ]
        passes = self._passes(engine, [len(request.prompt) + config.max_new_tokens for request in requests])
        generator = Generator(passes, self._tokenizer, max_rows=len(requests), batch=BATCH_TOKENS)
        answers = generator.generate(requests)
        return [
            self._rollout(prompt, sample, policy, answer)
            for (prompt, sample), answer in zip(wanted, answers, strict=True)
        ]

    def _passes(self, engine: Engine, lengths: Sequence[int]) -> Passes:
        """Return the policy with a cache for rows of these lengths."""
        config, vocab_size = self._config.model, self._tokenizer.vocab_size
        dtype = DTYPES[self._config.dtype]
        if self._model is None:
            model = build_for_reading(config, vocab_size, dtype)
            self._model = LoadedModel(model, config, vocab_size, self._tokenizer.sha256, step=0)
        share_weights(engine, self._model)
        slot = slot_bytes(config, dtype.itemsize, layout())
        most = cache_bytes(weight_bytes(config, vocab_size, dtype.itemsize, layout()))
        return Passes(self._model, generation_slots(config, most, slot, lengths))

    def _rollout(self, prompt: Prompt, sample: int, policy: str, answer: Continuation) -> Rollout:
        tokens = answer.tokens if answer.end is None else (*answer.tokens, answer.end)
        sampled = iter(answer.logprobs)
        inserted = set(answer.inserted)
        return Rollout(
            prompt=prompt.id,
            sample=sample,
            finish=answer.stopped,
            policy=policy,
            text=answer.text,
            context=prompt.context,
            tokens=tokens,
            logprobs=tuple(0.0 if place in inserted else next(sampled).chosen for place in range(len(tokens))),
            inserted=answer.inserted,
        )


def share_weights(engine: Engine, model: LoadedModel) -> None:
    """Have a model that samples use the memory of the trained one's weights: it is never behind them."""
    (chunk,) = engine.chunks
    trained = dict(chunk.named_parameters())
    for name, weight in model.model.named_parameters():
        weight.data = trained[name].data


def policy_digest(engine: Engine) -> str:
    """Return the SHA-256 of a model's weights, in order of pipeline stage, tensor parallel rank and name. Collective.

    Data parallel ranks have the same weights: their number does not count.
    """
    digest = hashlib.sha256()
    for name, shard in sorted(engine.weights().items()):
        digest.update(name.encode())
        digest.update(shard.data.detach().contiguous().view(-1).view(torch.uint8).cpu().numpy().data)
    place = [
        parallel_state.get_pipeline_model_parallel_rank(),
        parallel_state.get_tensor_model_parallel_rank(),
        parallel_state.get_data_parallel_rank(),
    ]
    everyone: list[tuple[list[int], str]] = [(place, "")] * dist.get_world_size()
    dist.all_gather_object(everyone, (place, digest.hexdigest()), group=parallel.host_group())
    parts = sorted((where[:2], found) for where, found in everyone if where[2] == 0)
    return hashlib.sha256("".join(found for _, found in parts).encode()).hexdigest()


def _is_of(path: Path, policy: str) -> bool:
    """Return whether a file has whole responses of a policy."""
    if not path.exists():
        return False
    try:
        return all(rollout.policy == policy for rollout in read_rollouts(path))
    except DataError:
        return False
