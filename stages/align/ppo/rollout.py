"""The first phase: the policy answers prompts, on the training's own ranks or in an array before the training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from megatron.core import parallel_state

from stages.align.policy import policy_digest
from stages.align.ppo.config import PpoConfig
from stages.align.prompts import Prompt, Prompts, read_prompts
from stages.align.sampling import Sampler, planned
from stages.chats.encoder import chat_encoder
from stages.formats.kinds import KINDS
from stages.formats.reinforcement.rollouts import Rollout, read_rollouts
from stages.formats.tokenizer import Tokenizer
from stages.generate.sampling import Sampling
from stages.model.checkpoint.load import DTYPES, LoadedModel, build_for_reading
from stages.shared.contract import InputFile
from stages.shared.errors import DataError
from stages.train.engine import Engine


def prompts_of(
    config: PpoConfig, files: Sequence[InputFile], tokenizer: Tokenizer, *, reserved: bool = False
) -> Prompts:
    """Return the prompts of chats. Raises DataError if none is left. `reserved`: a token follows the response."""
    encoder = chat_encoder(config.template, config.model, tokenizer)
    return read_prompts(files, encoder, config.model.seq_len - config.max_new_tokens - reserved)


class RoundSampler(Protocol):
    """Gives the responses of a round."""

    def digest(self, engine: Engine) -> str:
        """Return the digest of the trained weights. Collective."""

    def sample(
        self, engine: Engine, policy: str, number: int, prompts: Sequence[Prompt], folder: Path
    ) -> list[Rollout]:
        """Return the responses to a round's prompts, those to one prompt one after another. Collective.

        `policy` is the digest of the engine's weights. `folder` is the round's own.
        """


class Colocated(RoundSampler):
    """Samples a round's responses on the ranks of the training, with the trained weights themselves."""

    def __init__(self, config: PpoConfig, tokenizer: Tokenizer, end_id: int | None) -> None:
        self._config, self._tokenizer, self._end_id = config, tokenizer, end_id
        self._model: LoadedModel | None = None

    def digest(self, engine: Engine) -> str:
        """Return the digest of the trained weights. Collective."""
        return policy_digest(engine.weights(), self._config.model.used_rows(self._tokenizer.vocab_size))

    def sample(
        self, engine: Engine, policy: str, number: int, prompts: Sequence[Prompt], folder: Path
    ) -> list[Rollout]:
        """Return the responses: see RoundSampler. Batches of this policy that lie in `folder` are read, not sampled."""
        config = self._config
        sampler = Sampler(
            model=self._sharing(engine),
            policy=policy,
            tokenizer=self._tokenizer,
            sampling=sampling_of(config),
            end_id=self._end_id,
            round=number,
        )
        replica, replicas = parallel_state.get_data_parallel_rank(), parallel_state.get_data_parallel_world_size()
        batches = planned(prompts, config.samples, config.rollout_batch)
        return sampler.sample(batches, folder, replica=replica, replicas=replicas)

    def _sharing(self, engine: Engine) -> LoadedModel:
        """Return a model that samples with the memory of the trained one's weights: it is never behind them."""
        if self._model is None:
            config, vocab_size = self._config.model, self._tokenizer.vocab_size
            model = build_for_reading(config, vocab_size, DTYPES[self._config.dtype])
            self._model = LoadedModel(model, config, vocab_size, self._tokenizer.sha256, step=0)
        (chunk,) = engine.chunks
        trained = dict(chunk.named_parameters())
        for name, weight in self._model.model.named_parameters():
            weight.data = trained[name].data
        return self._model


class FromShards(Colocated):
    """Reads a round's responses from the shards of an array; a round without shards is sampled here."""

    def __init__(self, config: PpoConfig, tokenizer: Tokenizer, end_id: int | None, shards: Sequence[Path]) -> None:
        """`shards` are the folders of the array's units, in order."""
        super().__init__(config, tokenizer, end_id)
        self._shards = shards

    def sample(
        self, engine: Engine, policy: str, number: int, prompts: Sequence[Prompt], folder: Path
    ) -> list[Rollout]:
        """Return the responses: see RoundSampler. Raises DataError for those of other weights or to other prompts."""
        if not self._shards:
            return super().sample(engine, policy, number, prompts, folder)
        found = [each for shard in self._shards for each in read_rollouts(shard / KINDS.rollouts.file)]
        place = self._shards[0]
        if others := {each.policy for each in found} - {policy}:
            problem = f"sampled with other weights ({', '.join(sorted(others))}) than those that learn ({policy})"
            raise DataError(place, problem, "Remove the units of this step and of the next one, and run again")
        size = self._config.rollout_batch
        wanted = [each for batch in planned(prompts, self._config.samples, size) for each in batch.wanted]
        if [(each.prompt, each.sample) for each in found] != [(prompt.id, sample) for prompt, sample in wanted]:
            problem = f"{len(found)} responses, which are not those to the {len(prompts)} prompts of round {number}"
            raise DataError(place, problem, "Remove the units of this step, and run again")
        return found


def sampling_of(config: PpoConfig) -> Sampling:
    """Return how responses are sampled: only so the recorded log probabilities are the policy's."""
    return Sampling(max_tokens=config.max_new_tokens, temperature=1.0, seed=config.seed, logprobs=0)
