"""Memory of an engine, by arithmetic. Light: `plan` counts with it on a machine without torch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from stages.generate.layout import EngineLayout
from stages.model.config import ModelConfig
from stages.train.planner.shape import shape_of

ALONE = EngineLayout()

BATCH_TOKENS = 768
"""Tokens of a step on a CPU: matrix products of a 35 M-parameter model are as fast as they get, and a step's tensors
fit the cache (measured on a Xeon, one thread)."""
HEAD_ROWS = 128
"""Rows of logits that exist at a time."""
BLOCK_SLOTS = 32
"""Slots of a block: a row's own begin with one. On a CPU they are attended a block at a time."""
MAX_ROWS = 64
"""Rows that are continued together."""
LEAST_CACHE = 1 << 26
"""Bytes of the cache in generation, at most, for models that are smaller than that."""
LIBRARIES = 5e8
"""Bytes that a process takes without a model: torch, Megatron, lm-eval and its data sets 360 to 390 MB, pandas in tasks
that use it 30, and oneDNN's code 50 (measured on Linux)."""
_ALIBI_COLUMNS = 8
"""Numbers that ALiBi adds to a key and a value: see stages.model.layers.attention."""
_STREAM_ROWS, _INNER_ROWS = 10, 4
"""Rows as wide as the residual stream, and as the feed-forward block within, that a step holds a token."""
_LOGIT_COPIES = 3
"""Tensors of the size of the logits, float32, that exist beside each other where tokens are scored."""


@dataclass(frozen=True, kw_only=True)
class EngineMemory:
    """Bytes of a model on one rank, the fullest, beside its libraries: a bound, by part."""

    weights: int
    cache: int
    step: int
    """What the layers hold of a step's tokens."""
    logits: int

    @property
    def total(self) -> int:
        """All parts."""
        return self.weights + self.cache + self.step + self.logits


def slot_bytes(config: ModelConfig, number_bytes: int, layout: EngineLayout = ALONE) -> int:
    """Return the bytes of a cached token on the rank with most layers."""
    width = config.head_dim + (_ALIBI_COLUMNS if config.position == "alibi" else 0)
    layers, heads = -(-config.num_layers // layout.pp), -(-config.kv_heads // layout.tp)
    return 2 * layers * heads * width * number_bytes


def weight_bytes(config: ModelConfig, vocab_size: int, number_bytes: int, layout: EngineLayout = ALONE) -> int:
    """Return the bytes of the weights on the rank with most of them. Norms and routers count as on one rank."""
    shape, rows = shape_of(config), config.num_rows(vocab_size, layout.tp)
    attention = config.num_layers * shape.attention
    feed_forward = config.num_layers * shape.expert * max(1, shape.experts)
    rest = config.num_parameters(0) - attention - feed_forward
    tables = rows * config.dim * (1 if config.tied_embeddings or layout.pp > 1 else 2)
    layers = -(-config.num_layers // layout.pp) / config.num_layers
    split = layers * (attention + feed_forward / layout.ep) + tables
    return math.ceil(split / layout.tp + rest) * number_bytes


def scoring_slots(config: ModelConfig, batch: int) -> int:
    """Return the slots that scoring takes: the longest path, and a step."""
    return config.seq_len + batch


def cache_bytes(weights: int, asked: int | None = None) -> int:
    """Return the most memory that a generation's cache may take: what is asked for, else as much as the weights.

    A step reads both: a larger cache makes few steps shorter, and a smaller one leaves the weights to be read for few
    rows.
    """
    return max(weights, LEAST_CACHE) if asked is None else asked


def generation_slots(config: ModelConfig, most: int, slot: int, wanted: Sequence[int]) -> int:
    """Return the slots for requests of so many tokens each: for as many of them at a time as `most` bytes hold.

    `slot` is the bytes of one. The longest request has room whatever that takes.
    """
    lead = config.seq_len - config.text_len
    sizes = [-(-min(size + lead, config.seq_len) // BLOCK_SLOTS) * BLOCK_SLOTS for size in wanted]
    return max(max(sizes, default=0), min(sum(sizes), most // slot))


def group_tokens(config: ModelConfig, batch: int) -> int:
    """Return the tokens that are scored, and kept, together: so many that a prefix of the whole context, which the next
    group computes again, is an eighth of them at most.
    """
    return max(16 * batch, 8 * config.seq_len)


def engine_memory(
    config: ModelConfig,
    vocab_size: int,
    number_bytes: int,
    batch: int,
    *,
    slots: int,
    layout: EngineLayout = ALONE,
) -> EngineMemory:
    """Return a bound of what a model takes with a cache of `slots`, steps of `batch` tokens and the rows of logits."""
    experts = config.moe.top_k * layout.ep if config.moe else 1
    return EngineMemory(
        weights=weight_bytes(config, vocab_size, number_bytes, layout),
        cache=slots * slot_bytes(config, number_bytes, layout),
        step=batch * (_STREAM_ROWS * config.dim + _INNER_ROWS * experts * config.ffn) * number_bytes,
        logits=_LOGIT_COPIES * max(HEAD_ROWS, MAX_ROWS) * config.num_rows(vocab_size, layout.tp) * 4,
    )
