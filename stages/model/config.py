"""The LLaMA architecture's settings, and what follows from them. Light: pydantic and the standard library only."""

from __future__ import annotations

import math

from pydantic import Field, model_validator

from stages.shared.contract import Section
from stages.shared.errors import ConfigError

VOCAB_MULTIPLE = 128
"""Embedding rows are padded to this, whatever the layout, so that TP1 and TP8 train the same tensors (Megatron-LM's
`make_vocab_size_divisible_by`, without its factor of TP)."""
FFN_MULTIPLE = 256
"""LLaMA's `multiple_of` (meta-llama/llama, model.py)."""


class ModelConfig(Section):
    """Shape of a LLaMA decoder (arXiv:2302.13971, section 2.2): RMSNorm, SwiGLU, RoPE, no biases, untied head."""

    num_layers: int = Field(4, ge=1)
    """Transformer blocks."""
    dim: int = Field(192, ge=2)
    """Width of the residual stream."""
    num_heads: int = Field(6, ge=1)
    """Attention heads; dim / num_heads is the head width, which RoPE wants even."""
    num_kv_heads: int | None = Field(None, ge=1)
    """Key/value heads (grouped-query attention, arXiv:2305.13245); None: as many as num_heads, 1: multi-query."""
    ffn_dim: int | None = Field(None, ge=1)
    """Inner width of the feed-forward block; None: LLaMA's rule, 2/3 of 4 x dim rounded up to a multiple of 256."""
    seq_len: int = Field(128, ge=2)
    """Tokens of a training sequence, and the longest context the model is made for."""
    rope_theta: int = Field(10_000, ge=1)
    """Base of the rotary embedding's angles (arXiv:2104.09864, section 3.2.2)."""
    norm_eps: float = Field(1e-5, gt=0)
    """Added to the mean square in RMSNorm (meta-llama/llama, model.py)."""
    init_std: float = Field(0.02, gt=0)
    """Standard deviation of the initial weights; projections back into the residual stream take it over
    sqrt(2 x num_layers) (Megatron-LM's scaled init, after GPT-2)."""

    @model_validator(mode="after")
    def _check(self) -> ModelConfig:
        if self.dim % self.num_heads or (self.dim // self.num_heads) % 2:
            near = max(2, round(self.dim / (2 * self.num_heads)) * 2) * self.num_heads
            raise ConfigError("model.dim", self.dim, f"an even multiple of num_heads ({self.num_heads}), as {near}")
        if self.num_heads % self.kv_heads:
            divisors = [n for n in range(1, self.num_heads + 1) if self.num_heads % n == 0]
            near = min(divisors, key=lambda n: abs(n - self.kv_heads))
            raise ConfigError(
                "model.num_kv_heads", self.kv_heads, f"a divisor of num_heads ({self.num_heads}), as {near}"
            )
        return self

    @property
    def kv_heads(self) -> int:
        """Key/value heads, with the default resolved."""
        return self.num_kv_heads or self.num_heads

    @property
    def head_dim(self) -> int:
        """Width of one head."""
        return self.dim // self.num_heads

    @property
    def ffn(self) -> int:
        """Inner width of the feed-forward block, with LLaMA's rule applied."""
        if self.ffn_dim is not None:
            return self.ffn_dim
        return math.ceil(int(2 * 4 * self.dim / 3) / FFN_MULTIPLE) * FFN_MULTIPLE

    def num_parameters(self, vocab_size: int) -> int:
        """Return the parameter count for a vocabulary; arXiv:2302.13971, table 2, is V = 32,000: 6.7B ... 65.2B."""
        attention = self.dim * self.head_dim * (2 * self.num_heads + 2 * self.kv_heads)
        block = attention + 3 * self.dim * self.ffn + 2 * self.dim
        return self.num_layers * block + 2 * vocab_size * self.dim + self.dim


def padded_vocab_size(vocab_size: int, tp: int = 1) -> int:
    """Return the embedding rows for a vocabulary: a multiple of VOCAB_MULTIPLE that tensor parallelism can split."""
    multiple = math.lcm(VOCAB_MULTIPLE, tp)
    return math.ceil(vocab_size / multiple) * multiple
