"""A decoder's settings, and what follows from them. Light: pydantic and the standard library only."""

from __future__ import annotations

import math
from typing import Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from stages.model.ears import EarsConfig
from stages.model.eyes import EyesConfig
from stages.model.senses import SENSES, Sense
from stages.shared.contract import Section
from stages.shared.errors import ConfigError

VOCAB_MULTIPLE = 128
"""Embedding rows are padded to this, whatever the layout, so that TP1 and TP8 train the same tensors (Megatron-LM's
`make_vocab_size_divisible_by`, without its factor of TP)."""
FFN_MULTIPLE = 256
"""LLaMA's `multiple_of` (meta-llama/llama, model.py)."""
GLM_TOKENS = ("[MASK]", "[sMASK]", "[gMASK]", "[sop]", "[eop]", "[dBLOCK]")
"""The extra tokens of GLM (arXiv:2103.10360, section 2.1; the last one: THUDM/GLM, blocklm_utils.py)."""


class MoEConfig(Section):
    """Experts in place of every feed-forward block. A router picks some for each token (arXiv:2401.04088)."""

    num_experts: int = Field(default=8, ge=2)
    """Feed-forward blocks to choose from, each `ffn_dim` wide."""
    top_k: int = Field(default=2, ge=1)
    """Experts a token goes to; their outputs are weighted by a softmax over the chosen ones' scores, one alone by its
    probability among all (arXiv:2101.03961, section 2.1)."""
    aux_loss: float = Field(default=0.01, ge=0)
    """Weight of the load-balancing loss, num_experts x sum of (share of tokens x mean probability)
    (arXiv:2101.03961, section 2.2). It enters through the gradient alone: the reported loss is the language model's."""
    balance: Literal["microbatch", "sequence"] = "microbatch"
    """Tokens that are balanced: those of each rank's microbatch, so that its size matters, or of each sequence, which
    is the same in every layout and binds more (arXiv:2501.11873)."""
    capacity_factor: float | None = Field(default=None, gt=0)
    """In training an expert takes at most this times tokens x top_k / num_experts of a rank's microbatch
    (arXiv:2101.03961, section 2.2), those that want it most; the others do without it. None: all that come."""
    z_loss: float = Field(default=0.0, ge=0)
    """Weight of the router's z-loss, the mean square of its log-partition (arXiv:2202.08906, section 3); there 1e-3."""

    @model_validator(mode="after")
    def _check(self) -> MoEConfig:
        if self.top_k > self.num_experts:
            raise ConfigError("model.moe.top_k", self.top_k, f"at most num_experts ({self.num_experts})")
        return self


class LoraConfig(Section):
    """Low-rank adapters beside the matrices of every layer (arXiv:2106.09685), which alone are trained."""

    rank: int = Field(default=16, ge=1)
    """Numbers between the two matrices of an adapter."""
    alpha: float = Field(default=32.0, gt=0)
    """An adapter's output counts alpha / rank times."""
    targets: tuple[Literal["qkv", "proj", "fc1", "fc2"], ...] = Field(default=("qkv", "proj"), min_length=1)
    """Adapted matrices of a layer: of attention query, key and value as one, and the projection back; the first
    matrices of the feed-forward block, gate included, and its last."""
    embeddings: bool = False
    """Whether embedding and head are trained too, whole. New tokens need it: untrained rows are all the same."""

    @property
    def scale(self) -> float:
        """Factor of an adapter's output."""
        return self.alpha / self.rank


def _extra_tokens(earlier: dict[str, Any]) -> tuple[str, ...]:
    """Return the extra tokens that the position embedding asks for."""
    return GLM_TOKENS if earlier.get("position") == "glm" else ()


class ModelConfig(Section):
    """Shape of a decoder. The defaults are LLaMA's blocks (arXiv:2302.13971, section 2.2): norms before each half,
    RMSNorm, SwiGLU, RoPE, no biases, an untied head.
    """

    num_layers: int = Field(default=4, ge=1)
    """Transformer blocks."""
    dim: int = Field(default=192, ge=2)
    """Width of the residual stream."""
    num_heads: int = Field(default=6, ge=1)
    """Attention heads; dim / num_heads is the head width, which RoPE wants even."""
    num_kv_heads: int | None = Field(default=None, ge=1)
    """Key/value heads (grouped-query attention, arXiv:2305.13245); None: as many as num_heads, 1: multi-query."""
    ffn_dim: int | None = Field(default=None, ge=1)
    """Inner width of the feed-forward block; None: LLaMA's rule, 2/3 of 4 x dim rounded up to a multiple of 256."""
    seq_len: int = Field(default=128, ge=2)
    """Tokens of a training sequence, and the longest context the model is made for."""
    position: Literal["rope", "alibi", "glm"] = "rope"
    """Position encoding: rotated queries and keys (arXiv:2104.09864), a penalty linear in the distance
    (arXiv:2108.12409), or GLM's two learned tables with its part-bidirectional mask (arXiv:2103.10360, section 2.2)."""
    rope_theta: int = Field(default=10_000, ge=1)
    """Base of the rotary embedding's angles (arXiv:2104.09864, section 3.2.2)."""
    norm: Literal["rmsnorm", "layernorm"] = "rmsnorm"
    """Normalisation before each half of a block and before the head; a layernorm has a bias."""
    norm_eps: float = Field(default=1e-5, gt=0)
    """Added to the mean square in RMSNorm (meta-llama/llama, model.py), to the variance in LayerNorm."""
    activation: Literal["swiglu", "gelu"] = "swiglu"
    """Of the feed-forward block: three matrices, or GPT-2's two."""
    bias: bool = False
    """Biases in attention and feed-forward blocks, as GPT-2 and GLM have."""
    tied_embeddings: bool = False
    """Whether the head is the embedding's transpose."""
    moe: MoEConfig | None = None
    """Experts; None: one dense feed-forward block a layer."""
    head: Literal["lm", "scalar", "none"] = "lm"
    """Output of each token: a logit for each embedding row, one float32 number (rewards, values), or the final norm's
    output."""
    extra_tokens: tuple[str, ...] = Field(default_factory=_extra_tokens)
    """Tokens with embedding rows of their own after the tokenizer's pieces, in the order of their ids."""
    lora: LoraConfig | None = None
    """Adapters, which a release merges; None: all weights are trained."""
    eyes: EyesConfig | None = None
    """Encoder and join for pictures, on the first pipeline stage; None: the model sees none."""
    ears: EarsConfig | None = None
    """Encoder and join for sounds, on the first pipeline stage; None: the model hears none. With eyes absent."""
    init_std: float = Field(default=0.02, gt=0)
    """Standard deviation of the initial weights; projections back into the residual stream take it over
    sqrt(2 x num_layers) (Megatron-LM's scaled init, after GPT-2)."""

    @model_validator(mode="after")
    def _check(self) -> ModelConfig:
        if self.dim % self.num_heads or (self.dim // self.num_heads) % 2:
            near = max(2, round(self.dim / (2 * self.num_heads)) * 2) * self.num_heads
            raise ConfigError(
                "model.dim", self.dim, f"an even multiple of num_heads ({self.num_heads}) (for example {near})"
            )
        if self.num_heads % self.kv_heads:
            divisors = [n for n in range(1, self.num_heads + 1) if self.num_heads % n == 0]
            near = min(divisors, key=lambda n: abs(n - self.kv_heads))
            raise ConfigError(
                "model.num_kv_heads", self.kv_heads, f"a divisor of num_heads ({self.num_heads}) (for example {near})"
            )
        if self.position == "glm" and self.extra_tokens[: len(GLM_TOKENS)] != GLM_TOKENS:
            wanted = f"a list that starts with {', '.join(GLM_TOKENS)}, with position glm"
            raise ConfigError("model.extra_tokens", [*self.extra_tokens], wanted)
        if self.tied_embeddings and self.head != "lm":
            raise ConfigError("model.tied_embeddings", True, f"false with head {self.head}")
        self._check_sense()
        if self.moe and self.bias:
            raise ConfigError("model.bias", self.bias, "false with model.moe: experts have no biases")
        if self.moe and self.lora and {"fc1", "fc2"} & {*self.lora.targets}:
            raise ConfigError("model.lora.targets", [*self.lora.targets], "qkv, proj or both with model.moe")
        return self

    def _check_sense(self) -> None:
        if self.sense and self.position == "glm":
            raise ConfigError("model.position", "glm", f"rope or alibi with model.{'eyes' if self.eyes else 'ears'}")
        if self.eyes and self.ears:
            raise ConfigError("model.ears", self.ears.model_dump(), "absent with model.eyes: a model sees or hears")
        if self.eyes and self.eyes.square_positions >= self.seq_len:
            wanted = f"more than the {self.eyes.square_positions} positions of a picture, which is never cut"
            raise ConfigError("model.seq_len", self.seq_len, f"{wanted} (for example {2 * self.eyes.square_positions})")

    @property
    def sense(self) -> Sense | None:
        """The model's eyes or ears; None: it reads text alone."""
        return self.eyes or self.ears

    @model_serializer(mode="wrap")
    def _without_no_sense(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out a sense that is none: a model of text alone keeps the identity that it had without them."""
        values: dict[str, Any] = dump(self)
        for name in SENSES:
            if values.get(name, ()) is None:
                del values[name]
        return values

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

    @property
    def num_positions(self) -> int:
        """Rows of each of GLM's two position tables; 0 for the others, which learn none."""
        return self.seq_len + 1 if self.position == "glm" else 0

    @property
    def text_len(self) -> int:
        """Longest text in tokens; GLM continues one behind two tokens of its own."""
        return self.seq_len - (2 if self.position == "glm" else 0)

    def used_rows(self, vocab_size: int) -> int:
        """Return the embedding rows that stand for tokens: the tokenizer's pieces and the extra tokens after them."""
        return vocab_size + len(self.extra_tokens)

    def token_id(self, token: str, vocab_size: int) -> int:
        """Return the id of an extra token with a tokenizer of `vocab_size` pieces."""
        return vocab_size + self.extra_tokens.index(token)

    def num_rows(self, vocab_size: int, tp: int = 1) -> int:
        """Return all embedding rows for a tokenizer's pieces, with padding."""
        return padded_vocab_size(self.used_rows(vocab_size), tp)

    def num_parameters(self, rows: int) -> int:
        """Return the parameter count with `rows` embedding rows.

        arXiv:2302.13971, table 2, is 32,000 rows: 6.7B ... 65.2B.
        """
        return self._count(rows, experts=self.moe.num_experts if self.moe else 1)

    def num_active_parameters(self, rows: int) -> int:
        """Return the parameters that a token passes through: of the experts, only the chosen ones."""
        return self._count(rows, experts=self.moe.top_k if self.moe else 1)

    def _count(self, rows: int, experts: int) -> int:
        kv = self.kv_heads * self.head_dim
        norm = self.dim * (2 if self.norm == "layernorm" else 1)
        inner = self.ffn * (2 if self.activation == "swiglu" else 1)
        attention = self.dim * (2 * self.dim + 2 * kv)
        feed_forward = self.dim * (inner + self.ffn)
        if self.bias:
            attention += self.dim + 2 * kv + self.dim
            feed_forward += inner + self.dim
        router = self.dim * self.moe.num_experts if self.moe else 0
        block = attention + experts * feed_forward + router + 2 * norm
        head = {"lm": 0 if self.tied_embeddings else rows, "scalar": 1, "none": 0}[self.head]
        tables = rows + head + 2 * self.num_positions
        sense = self.sense.num_parameters(self.dim) if self.sense else 0
        return self.num_layers * block + tables * self.dim + norm + sense


def padded_vocab_size(vocab_size: int, tp: int = 1) -> int:
    """Return the embedding rows for a vocabulary: a multiple of VOCAB_MULTIPLE that tensor parallelism can split."""
    multiple = math.lcm(VOCAB_MULTIPLE, tp)
    return math.ceil(vocab_size / multiple) * multiple
