"""Models and sampling of a reinforcement learning as the planner takes them. Light: the login node plans with it."""

from __future__ import annotations

from collections.abc import Iterator

from stages.generate.layout import EngineLayout
from stages.generate.memory import BATCH_TOKENS, cache_bytes, engine_memory, generation_slots, slot_bytes, weight_bytes
from stages.model.config import ModelConfig
from stages.train.planner.shape import Companion, Layout, Sampler, Shape, shape_of

EPISODE_BYTES = 73
"""Bytes of a round's file a position: see Episodes."""


def companions(
    policy: ModelConfig, reward: ModelConfig | None, vocab_size: int, tp: int, *, has_values: bool
) -> Iterator[Companion]:
    """Yield the models beside the policy; the value network has the reward model's shape, without one the policy's.

    `reward` is None where a rule scores.
    """

    def shaped(config: ModelConfig) -> Shape:
        return shape_of(config.model_copy(update={"seq_len": policy.seq_len}), vocab_size, tp)

    scorer = reward or policy
    scorer = scorer.model_copy(update={"head": "scalar", "tied_embeddings": False})
    if reward:
        yield Companion(name="reward", shape=shaped(scorer))
    yield Companion(name="reference", shape=shaped(policy))
    if has_values:
        yield Companion(name="value", shape=shaped(scorer), is_trained=True)


def sampler(policy: ModelConfig, vocab_size: int, number_bytes: int, batch: int, layout: Layout) -> Sampler:
    """Return what sampling `batch` responses together takes on a rank: the cache is at most as large as the weights."""
    engine = EngineLayout(tp=layout.tp, pp=layout.pp)
    slot, most = (
        slot_bytes(policy, number_bytes, engine),
        cache_bytes(weight_bytes(policy, vocab_size, number_bytes, engine)),
    )
    slots = generation_slots(policy, most, slot, [policy.seq_len] * batch)
    rows = max(1, min(batch, slots // policy.seq_len))
    tokens = min(BATCH_TOKENS, rows * policy.seq_len)
    memory = engine_memory(policy, vocab_size, number_bytes, tokens, slots=slots, layout=engine)
    return Sampler(rows=rows, cache=memory.cache, buffers=memory.step + memory.logits)
