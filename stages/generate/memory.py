"""Memory of an engine, by arithmetic. Light: `plan` counts with it on a machine without torch."""

from __future__ import annotations

from stages.model.config import ModelConfig

BATCH_TOKENS = 768
"""Tokens of a step on a CPU: matrix products of a 35 M-parameter model are as fast as they get, and a step's tensors
fit the cache (measured on a Xeon, one thread)."""
HEAD_ROWS = 128
"""Rows of logits that exist at a time."""
MAX_ROWS = 64
"""Rows that are continued together."""
CACHE_BYTES = 1 << 29
"""Memory of the cache in generation."""
_ALIBI_COLUMNS = 8
"""Numbers that ALiBi adds to a key and a value: see stages.model.layers.attention."""
_STREAM_ROWS, _INNER_ROWS = 10, 4
"""Rows as wide as the residual stream, and as the feed-forward block within, that a step holds a token."""
_LOGIT_COPIES = 3
"""Tensors of the size of the logits, float32, that exist beside each other where tokens are scored."""


def slot_bytes(config: ModelConfig, number_bytes: int, tp: int = 1, pp: int = 1) -> int:
    """Return the bytes of a cached token on the rank with most layers."""
    width = config.head_dim + (_ALIBI_COLUMNS if config.position == "alibi" else 0)
    layers, heads = -(-config.num_layers // pp), -(-config.kv_heads // tp)
    return 2 * layers * heads * width * number_bytes


def scoring_slots(config: ModelConfig, batch: int) -> int:
    """Return the slots that scoring takes: the longest path, and a step."""
    return config.seq_len + batch


def generation_slots(config: ModelConfig, number_bytes: int, wanted: int) -> int:
    """Return the slots for requests of `wanted` tokens in all: as many, CACHE_BYTES at most, the model's length at
    least.
    """
    most = CACHE_BYTES // slot_bytes(config, number_bytes)
    return max(2 * config.seq_len, min(wanted, most))


def group_tokens(config: ModelConfig, batch: int) -> int:
    """Return the tokens that are scored, and kept, together: so many that a prefix of the whole context, which the next
    group computes again, is an eighth of them at most.
    """
    return max(16 * batch, 8 * config.seq_len)


def engine_bytes(config: ModelConfig, vocab_size: int, batch: int, number_bytes: int, slots: int) -> int:
    """Return a bound of what a model takes in one process beside its libraries: weights, a cache of `slots`, a step of
    `batch` tokens, and the rows of logits.
    """
    rows = config.num_rows(vocab_size)
    experts = config.moe.top_k if config.moe else 1
    step = batch * (_STREAM_ROWS * config.dim + _INNER_ROWS * experts * config.ffn) * number_bytes
    logits = _LOGIT_COPIES * max(HEAD_ROWS, MAX_ROWS) * rows * 4
    return config.num_parameters(rows) * number_bytes + slots * slot_bytes(config, number_bytes) + step + logits
