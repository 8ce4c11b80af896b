"""A training step and its layout as plain numbers: the input of the planner's other modules.

TrainingConfig.workload and TrainingConfig.planned_layout make them of the settings.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from stages.model.config import LoraConfig, ModelConfig
from stages.train.sections import RampConfig

BYTES = {"fp32": 4, "bf16": 2, "fp16": 2}
Recompute = Literal["none", "selective", "full"]


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A decoder's sizes. Biases and tables of positions are left out of the counts: they are thousandths."""

    num_layers: int
    dim: int
    num_heads: int
    num_kv_heads: int
    head_dim: int
    ffn: int
    """Inner width of the feed-forward block; of one expert, if there are experts."""
    seq_len: int
    vocab_size: int = 0
    """Rows of the embedding; 0 while the tokenizer is unknown."""
    experts: int = 0
    """Experts a layer; 0: one dense feed-forward block."""
    top_k: int = 1
    """Experts that a token goes through."""
    gated: bool = True
    """Whether the feed-forward block has a gate (SwiGLU): three matrices, not two."""
    tied: bool = False
    """Whether the output layer shares the embedding's weights."""
    head: Literal["lm", "scalar", "none"] = "lm"
    """Output layer: of the vocabulary, of one number a token, or none."""
    lora: LoraConfig | None = None
    """Adapters of every layer. With them all other weights are frozen, except embedding and output layer if
    `embeddings` is set.
    """

    @property
    def attention(self) -> int:
        """Weights of a layer's attention: query, key, value and output projections."""
        return self.dim * self.head_dim * (2 * self.num_heads + 2 * self.num_kv_heads)

    @property
    def expert(self) -> int:
        """Weights of one feed-forward block."""
        return (3 if self.gated else 2) * self.dim * self.ffn

    @property
    def feed_forward(self) -> int:
        """Weights of a layer's feed-forward part: all experts and their router."""
        return self.experts * (self.expert + self.dim) if self.experts else self.expert

    @property
    def embedding(self) -> int:
        """Weights of the embedding."""
        return self.vocab_size * self.dim

    @property
    def outputs(self) -> int:
        """Numbers that the output layer gives for a token."""
        return {"lm": self.vocab_size, "scalar": 1, "none": 0}[self.head]

    @property
    def tables(self) -> int:
        """Weights of embedding and output layer."""
        return self.embedding + (0 if self.tied else self.outputs * self.dim)

    def adapters(self, tp: int = 1) -> float:
        """Return the weights of a layer's adapters on one of `tp` devices.

        Each has two matrices: one on the side of the residual stream, which every device has whole, and one on the
        other side, which is split.
        """
        if self.lora is None:
            return 0
        queries, keys = self.num_heads * self.head_dim, self.num_kv_heads * self.head_dim
        inner = {"qkv": queries + 2 * keys, "proj": queries, "fc1": (1 + self.gated) * self.ffn, "fc2": self.ffn}
        return sum(self.lora.rank * (self.dim + inner[target] / tp) for target in self.lora.targets)

    @property
    def trains_tables(self) -> bool:
        """Whether embedding and output layer are trained."""
        return self.lora is None or self.lora.embeddings

    @property
    def trains_head(self) -> bool:
        """Whether the output layer is trained. A scalar one is new, and so is trained beside adapters too."""
        return self.trains_tables or self.head == "scalar"

    @property
    def layer_operations(self) -> float:
        """Operations of a token with the weights of all layers, in both passes.

        They are 6 a weight, and 4 a frozen one: it needs no gradient.
        """
        weights = self.blocks
        return 6 * weights if self.lora is None else 4 * weights + 6 * self.num_layers * self.adapters()

    @property
    def head_operations(self) -> float:
        """Operations of a token in the output layer, in both passes."""
        return (6 if self.trains_head else 4) * self.outputs * self.dim

    @property
    def forward_operations(self) -> float:
        """Operations of a token in a forward pass, without attention's."""
        return 2 * (self.used + self.num_layers * self.adapters())

    @property
    def attention_operations(self) -> float:
        """Operations of a token with the scores, in a forward pass: half of all, for the causal mask hides the rest."""
        return 2 * self.num_layers * self.seq_len * self.num_heads * self.head_dim

    @property
    def parameters(self) -> int:
        """All weights but those of adapters."""
        layer = self.attention + self.feed_forward + 2 * self.dim
        return self.num_layers * layer + self.tables + self.dim

    @property
    def trained(self) -> float:
        """Weights that are trained."""
        if self.lora is None:
            return self.parameters
        tables = self.tables if self.trains_tables else self.trains_head * self.dim
        return self.num_layers * self.adapters() + tables

    @property
    def blocks(self) -> int:
        """Weights of all layers that a token is multiplied with: without adapters, and top_k of the experts."""
        feed_forward = self.top_k * self.expert + self.experts * self.dim if self.experts else self.expert
        return self.num_layers * (self.attention + feed_forward)

    @property
    def used(self) -> int:
        """Those of all layers and of the output layer. The embedding is looked up."""
        return self.blocks + self.outputs * self.dim


@dataclass(frozen=True, kw_only=True)
class Companion:
    """A further model of a step."""

    name: str
    """Its role."""
    shape: Shape
    is_trained: bool = False
    """Whether it has an optimizer of its own. If not, every data parallel process has its weights whole."""


@dataclass(frozen=True, kw_only=True)
class Sampler:
    """What sampling takes on a rank, beside the weights."""

    rows: int
    """Responses that are continued together."""
    cache: float
    """Bytes of their keys and values."""
    buffers: float
    """Bytes that live within a step."""


@dataclass(frozen=True, kw_only=True)
class Rounds:
    """Rounds of a training whose main model answers prompts: all models then read the responses, then some learn."""

    prompts: int
    samples: int
    """Responses to each prompt."""
    new_tokens: int
    """Tokens of a response, at most."""
    batch: int
    """Responses that one replica samples together."""
    updates: int
    """Steps of a round."""
    epochs: int
    """Times that the steps read a response."""
    sampler: Callable[[Layout], Sampler]
    """Returns what sampling takes in a layout."""

    @property
    def episodes(self) -> int:
        """Responses of a round."""
        return self.prompts * self.samples

    def turns(self, replicas: int) -> int:
        """Return the batches that the busiest replica samples one after another."""
        return -(-self.episodes // (self.batch * replicas))


@dataclass(frozen=True, kw_only=True)
class Workload:
    """One training step, whatever it runs on."""

    shape: Shape
    """The main model."""
    global_batch: int
    """Sequences a step."""
    ramp: RampConfig | None = None
    """Growth of the first steps' batches."""
    dtype: str = "bf16"
    engine: str = "megatron"
    causal: bool = True
    """Whether attention is plain: over what came before, with no bias on the scores."""
    name: str = "model"
    """The main model's role."""
    text: int = 0
    """Sequences a step that the main model alone reads, beside those of global_batch."""
    averages: bool = False
    """Whether an average of the main model's weights is kept, in float32."""
    others: tuple[Companion, ...] = ()
    """The step's further models."""
    rounds: Rounds | None = None
    """Where the sequences come from, if the main model samples them."""

    @property
    def trained(self) -> dict[str, Workload]:
        """The step of each trained model by its name, as if it were alone."""
        own = replace(self, global_batch=self.global_batch + self.text, text=0, others=(), rounds=None)
        beside = {other.name: self._of(other) for other in self.others if other.is_trained}
        return {self.name: own, **beside}

    @property
    def read_by(self) -> dict[str, Workload]:
        """The step of each model that only reads the sequences, without a backward pass, by its name.

        Rounds have every model read them, once for all epochs; else the frozen ones do in every step.
        """
        frozen = {other.name: self._of(other) for other in self.others if not other.is_trained}
        if self.rounds is None:
            return frozen
        own = {name: replace(work, global_batch=self.global_batch) for name, work in self.trained.items()}
        return {**frozen, **own}

    def _of(self, other: Companion) -> Workload:
        return replace(self, shape=other.shape, name=other.name, text=0, averages=False, others=(), rounds=None)

    @property
    def parameters(self) -> int:
        """Weights of all models that are trained."""
        return sum(work.shape.parameters for work in self.trained.values())

    @property
    def tokens(self) -> int:
        """Tokens a step."""
        return self.global_batch * self.shape.seq_len

    @property
    def width(self) -> int:
        """Bytes of a weight and of an activation."""
        return BYTES[self.dtype]


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The split of a step over processes."""

    tp: int = 1
    pp: int = 1
    dp: int = 1
    cp: int = 1
    """Context parallelism: processes that split every sequence."""
    ep: int = 1
    """Expert parallelism: data parallel processes that share out the experts."""
    interleave: int = 1
    """Groups of layers a pipeline stage holds (arXiv:2104.04473, section 2.2)."""
    sp: bool = False
    """Sequence parallelism: norms and residuals are split over tp too (arXiv:2205.05198, section 4.2.2)."""
    zero: int = 1
    """ZeRO stage: data parallel processes split 1 the optimizer's state, 2 also gradients, 3 also weights
    (arXiv:1910.02054)."""
    recompute: Recompute = "none"
    offload: tuple[str, ...] = ()
    """Parts in the host's memory: optimizer, activations, weights."""
    microbatch: int = 1
    """Sequences that go through the model at once."""

    @property
    def ranks(self) -> int:
        """Processes."""
        return self.tp * self.pp * self.dp * self.cp

    @property
    def replicas(self) -> int:
        """Processes with the same weights (except experts). The optimizer's state is split over them."""
        return self.dp * self.cp

    def microbatches(self, global_batch: int) -> int:
        """Return the microbatches a process takes a step."""
        return max(1, global_batch // (self.microbatch * self.dp))

    def __str__(self) -> str:
        shown = [f"tp {self.tp}", f"pp {self.pp}", f"dp {self.dp}"]
        shown += [f"{name} {size}" for name in ("cp", "ep", "interleave") if (size := getattr(self, name)) > 1]
        shown += ["sp"] if self.sp else []
        shown += [f"zero {self.zero}"] if self.zero > 1 else []
        shown += [f"recompute {self.recompute}"] if self.recompute != "none" else []
        shown += [f"offload {', '.join(self.offload)}"] if self.offload else []
        return " ".join(shown)


def shape_of(model: ModelConfig, vocab_size: int = 0, tp: int = 1) -> Shape:
    """Return a model's sizes; the vocabulary of a tokenizer is padded as training does it."""
    return Shape(
        num_layers=model.num_layers,
        dim=model.dim,
        num_heads=model.num_heads,
        num_kv_heads=model.kv_heads,
        head_dim=model.head_dim,
        ffn=model.ffn,
        seq_len=model.seq_len,
        vocab_size=model.num_rows(vocab_size, tp) if vocab_size else 0,
        experts=model.moe.num_experts if model.moe else 0,
        top_k=model.moe.top_k if model.moe else 1,
        gated=model.activation == "swiglu",
        tied=model.tied_embeddings,
        head=model.head,
        lora=model.lora,
    )


def divisors(number: int) -> list[int]:
    """Return all divisors, in order."""
    small = [n for n in range(1, math.isqrt(number) + 1) if number % n == 0]
    return sorted({*small, *(number // n for n in small)})
