"""The decoder on Megatron-Core's GPTModel, and weights that do not depend on how it is split."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from typing import Any, Literal, Protocol

import torch
import torch.nn.functional as F  # noqa: N812
from megatron.core import parallel_state
from megatron.core.dist_checkpointing.dict_utils import nested_values
from megatron.core.dist_checkpointing.mapping import ShardedStateDict, ShardedTensor, apply_factories
from megatron.core.extensions.transformer_engine import HAVE_TE
from megatron.core.models.gpt import GPTModel
from megatron.core.models.gpt.gpt_layer_specs import (
    get_gpt_layer_local_spec,
    get_gpt_layer_with_transformer_engine_spec,
)
from megatron.core.tensor_parallel import ColumnParallelLinear, scatter_to_sequence_parallel_region
from megatron.core.transformer import TransformerConfig
from megatron.core.transformer.module import MegatronModule
from megatron.core.transformer.moe import moe_utils
from megatron.core.transformer.spec_utils import ModuleSpec
from megatron.core.transformer.transformer_block import (
    LayerNormImpl,
    TransformerBlockSubmodules,
    get_num_layers_to_build,
)
from torch import Tensor, nn

from stages.model.config import LoraConfig, ModelConfig
from stages.model.eyes import EyesConfig
from stages.model.heads import HiddenHead, ScalarHead
from stages.model.joins.build import build_join
from stages.model.layers.adapters import ADAPTER_IN, ADAPTER_OUT, AdaptedColumns, AdaptedRows
from stages.model.layers.attention import (
    AlibiAttention,
    CausalAttention,
    Documents,
    MaskedAttention,
    RotaryAttention,
)
from stages.model.layers.experts import Router
from stages.model.layers.glm import BlockPositions
from stages.model.layers.noise import EmbeddingNoise
from stages.model.layers.norm import LayerNorm, RMSNorm
from stages.model.layers.packed import pack, product
from stages.model.layers.scored_layer import ScoredLayer
from stages.model.layers.steps import Step
from stages.model.layers.swiglu import SwiGLU
from stages.model.parallel import has_transformer_engine
from stages.model.recompute import enable_recompute
from stages.model.senses import Sense, is_of_sense
from stages.model.speech.conformer import build_speech_encoder
from stages.model.spliced import Perceived, anchored, spliced
from stages.model.vision.encoder import build_encoder
from stages.shared.errors import ConfigError

_NORMS = {"rmsnorm": RMSNorm, "layernorm": LayerNorm}
_ATTENTION = {"alibi": AlibiAttention, "glm": MaskedAttention}
_RESIDUAL = ("linear_proj.weight", "linear_fc2.weight")
"""Projections back into the residual stream, by the end of their name."""
_FEW_ROWS = 12
"""Rows below which a CPU multiplies faster with the head as the left factor: for 32,000 pieces x 384, 5 rows take
4.8 ms in place of 9.6, 10 rows 8.8 in place of 11.0, and 16 rows as long (float32, one thread of an EPYC)."""
Recompute = Literal["none", "selective", "full"]
_RECOMPUTE: dict[Recompute, dict[str, Any]] = {
    "none": {},
    "selective": {"recompute_granularity": "selective", "recompute_modules": ["layernorm"]},
    "full": {"recompute_granularity": "full", "recompute_method": "uniform", "recompute_num_layers": 1},
}


class Drawn(Protocol):
    """What the draw of initial weights wants to know of a model, an encoder or a join: their settings have it."""

    @property
    def init_std(self) -> float | None:
        """Standard deviation; None: of each matrix the square root of 1 / inputs."""

    @property
    def num_layers(self) -> int:
        """Layers whose projections add to one residual stream."""


class Decoder(GPTModel):
    """Megatron's decoder, which returns the head's output and computes no loss: that is an objective's business."""

    is_adapted = False
    """Whether layers have adapters."""
    is_packed = False
    """Whether matrices are in blocks: the model then only advances."""
    has_sense = False
    """Whether the model sees or hears; on the first pipeline stage it has the parts `encoder` and `join` then."""

    def forward(
        self,
        tokens_BT: Tensor,
        positions: Tensor,
        hidden: Tensor | None = None,
        documents: Documents | None = None,
        noise: EmbeddingNoise | None = None,
        perceived: Perceived | None = None,
    ) -> Tensor:
        """Return the head's output, such as this rank's part of the logits [B, T, V]; the hidden states [T, B, D] of a
        pipeline stage that is not the last.

        `hidden` is the mask of MaskedAttention; with `documents` a token sees its own document alone, and where these
        have scored tokens, the output is of those alone, [1, S, V]. `noise` is added in training. Features of
        pictures or sounds take the places of embeddings.
        """
        embedded = None
        is_changed = self.training and (noise is not None or self.is_adapted)
        if self.pre_process and (is_changed or self.has_sense):
            embedded = self._embedded(tokens_BT, positions, noise, perceived)
        # Without labels Megatron copies the logits to return them; with labels they go through the method below.
        output: Tensor = super().forward(
            tokens_BT, positions, hidden, embedded, labels=tokens_BT, packed_seq_params=documents
        )
        return output

    def _embedded(
        self, tokens_BT: Tensor, positions: Tensor, noise: EmbeddingNoise | None, perceived: Perceived | None
    ) -> Tensor:
        """Return the embeddings, this rank's part of the sequence. They have a gradient also where the embedding is
        frozen: recomputed blocks have none behind an input without one.
        """
        embedded_TBD: Tensor = self.embedding(input_ids=tokens_BT, position_ids=positions)
        if self.has_sense:
            embedded_TBD = self._with_perceived(embedded_TBD, perceived)
        if noise is not None:
            rank = parallel_state.get_tensor_model_parallel_rank() if self.config.sequence_parallel else 0
            embedded_TBD = noise.added(embedded_TBD, first=rank * embedded_TBD.size(0))
        return embedded_TBD if embedded_TBD.requires_grad else embedded_TBD.requires_grad_(torch.is_grad_enabled())

    def _with_perceived(self, embedded_TBD: Tensor, perceived: Perceived | None) -> Tensor:
        """Return embeddings of whole sequences with those of pictures or sounds, this rank's part of the sequence."""
        if perceived is None or not len(perceived.places_S):
            embedded_TBD = anchored(embedded_TBD, (self.encoder, self.join))
        else:
            rows_NQD = self.join(perceived.features(self.encoder))
            embedded_TBD = spliced(embedded_TBD, perceived.places_S, rows_NQD)
        if self.config.sequence_parallel:
            embedded_TBD = scatter_to_sequence_parallel_region(embedded_TBD)
        return embedded_TBD

    def advance(
        self,
        tokens_N: Tensor,
        step: Step,
        received_ND: Tensor | None = None,
        features: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor:
        """Return the final norm's output [S, D] of the scored tokens of a step; of a pipeline stage that is not the
        last, all hidden states [N, D]. Its keys and values go to the step's cache.

        `received_ND` is what the stage before this one returned; None: this is the first. `features` are places of
        tokens, [P], and what stands there for their embeddings, [P, D].
        """
        hidden_ND = self._begun(tokens_N, step.positions, features) if received_ND is None else received_ND
        for layer in self.decoder.layers:
            hidden_ND = layer.advance(hidden_ND, step)
        if self.post_process:
            hidden_ND = self.decoder.final_layernorm(hidden_ND)
        return hidden_ND

    def _begun(self, tokens_N: Tensor, positions_N: Tensor, features: tuple[Tensor, Tensor] | None) -> Tensor:
        """Return the embeddings of a step's tokens, [N, D]."""
        positions = positions_N[None]
        if self.position_embedding_type == "learned_absolute":
            positions = torch.stack([torch.zeros_like(positions), positions], dim=1)  # as stages.model.layers.glm
        if features is None:
            embedded_N1D: Tensor = self.embedding(input_ids=tokens_N[None], position_ids=positions)
            return embedded_N1D[:, 0]
        places_P, rows_PD = features
        embedded_N1D = self.embedding(input_ids=tokens_N.clamp(min=0)[None], position_ids=positions)
        return embedded_N1D[:, 0].index_copy(0, places_P, rows_PD.to(embedded_N1D))

    def pack(self) -> None:
        """Lay out matrices in blocks: see stages.model.layers.packed. `forward` fails from now on."""
        for layer in self.decoder.layers:
            layer.pack()
        if self.post_process and type(self.output_layer) is ColumnParallelLinear and not self._has_tied_head:
            pack(self.output_layer)
        self.is_packed = True

    @property
    def _has_tied_head(self) -> bool:
        return bool(self.share_embeddings_and_output_weights)

    def logits(self, hidden_SD: Tensor) -> Tensor:
        """Return this rank's part of the logits, [S, V], for what `advance` returned."""
        is_tied = self._has_tied_head
        table_VD: Tensor = self.shared_embedding_or_output_weight() if is_tied else self.output_layer.weight
        if hidden_SD.is_cpu and hidden_SD.size(0) < _FEW_ROWS and not table_VD.is_mkldnn:
            return (table_VD @ hidden_SD.t()).t().contiguous()
        return product(hidden_SD, table_VD)

    def compute_language_model_loss(self, _labels: Tensor, output_TBV: Tensor) -> Tensor:
        """Return the head's output, [B, T, V]: a view. No loss is computed here, though Megatron names it so."""
        return output_TBV.transpose(0, 1)

    def sharded_state_dict(self, *args: Any, **options: Any) -> ShardedStateDict:
        """Return where this rank's weights lie in the whole model's: see Megatron's GPTModel."""
        if self.post_process and type(self.output_layer) is HiddenHead:  # GPTModel asks for the head's weight
            return MegatronModule.sharded_state_dict(self, *args, **options)
        return super().sharded_state_dict(*args, **options)


def build_model(  # noqa: PLR0913
    config: ModelConfig,
    vocab_size: int,
    dtype: torch.dtype = torch.float32,
    *,
    chunk: int = 0,
    sp: bool = False,
    recompute: Recompute = "none",
    on_host: bool = False,
    cached: bool = False,
) -> Decoder:
    """Return this rank's part of the decoder, or one of its parts where pipeline stages interleave: `chunk` says which.

    The sizes of all parallelisms come from Megatron's parallel state; `sp` is sequence parallelism. Weights are unset:
    see `initialise`; those of matrices are on the device, with `on_host` on the host. V of the logits [B, T, V] is this
    tensor parallel rank's part of the padded vocabulary. A model that is to `advance` is built `cached`: attention is
    ours in every layer, and it learns nothing.

    Raises ConfigError for adapters where Transformer Engine's matrices are used.
    """
    if config.lora and has_transformer_engine():
        raise ConfigError("model.lora", config.lora.model_dump(), "absent where Transformer Engine is installed")
    tp = parallel_state.get_tensor_model_parallel_world_size()
    on_cpu = on_host or not torch.cuda.is_available()
    split = {"sequence_parallel": sp, "use_cpu_initialization": on_cpu, **_RECOMPUTE[recompute]}
    # `initialise` draws the weights anew: Megatron's draw depends on the layout. But there it also marks split weights
    # as such, and unmarked ones count on one rank only in the gradient's norm. A cached model has no gradient, and the
    # draw takes the memory of a second model.
    split["perform_initialization"] = not cached
    settings = _transformer_config(config, dtype, **split)
    interleaved = settings.virtual_pipeline_model_parallel_size is not None
    place = {"ignore_virtual": not interleaved, "vp_stage": chunk}
    model = Decoder(
        config=settings,
        transformer_layer_spec=block_spec(config, settings, chunk, cached=cached),
        vocab_size=config.num_rows(vocab_size, tp),
        max_sequence_length=config.seq_len,
        pre_process=parallel_state.is_pipeline_first_stage(**place),
        post_process=parallel_state.is_pipeline_last_stage(**place),
        share_embeddings_and_output_weights=config.tied_embeddings,
        position_embedding_type=_position_embedding(config, cached=cached),
        rotary_base=config.rope_theta,
        # Pictures and sounds take places of the whole sequence.
        scatter_embedding_sequence_parallel=config.sense is None,
        vp_stage=chunk if interleaved else None,
    )
    model.is_adapted, model.has_sense = config.lora is not None, config.sense is not None
    if config.sense and model.pre_process:
        model.encoder = _encoder(config.sense, dtype)
        model.join = build_join(config.sense.join, config.sense.width, config.dim, dtype)
    if model.post_process and config.head != "lm":
        model.output_layer = {"scalar": ScalarHead, "none": HiddenHead}[config.head](settings)
    if config.position == "glm" and model.pre_process:
        model.embedding.position_embeddings = BlockPositions(config.num_positions, config.dim)
    if recompute == "selective":
        enable_recompute(model)
    return model


def _encoder(sense: Sense, dtype: torch.dtype) -> nn.Module:
    """Return the encoder of a sense, on the device. Its weights are unset."""
    if isinstance(sense, EyesConfig):
        return build_encoder(sense.encoder, dtype)
    return build_speech_encoder(sense.encoder, dtype)


def _position_embedding(config: ModelConfig, *, cached: bool) -> str:
    if config.position == "glm":
        return "learned_absolute"
    is_turned_by_megatron = config.position == "rope" and has_transformer_engine() and not cached
    return "rope" if is_turned_by_megatron else "none"  # else attention sees to it


def block_spec(
    config: ModelConfig, settings: TransformerConfig, chunk: int, *, cached: bool = False
) -> TransformerBlockSubmodules:
    """Return the modules of this rank's layers, and the norm before the head."""
    final = LayerNormImpl if has_transformer_engine() else _NORMS[config.norm]
    return TransformerBlockSubmodules(
        [layer_spec(config, cached=cached)] * get_num_layers_to_build(settings, chunk), final
    )


def layer_spec(config: ModelConfig, *, cached: bool = False) -> ModuleSpec:
    """Return the modules of a layer: Transformer Engine's where it is installed and there is CUDA, else Megatron's with
    our norms and attention.

    Attention is TE's only for RoPE without a cache: its ALiBi wants the bias written out.
    """
    experts = config.moe.num_experts if config.moe else None
    rotary = ModuleSpec(module=RotaryAttention, params={"theta": config.rope_theta})
    attention = _ATTENTION.get(config.position, rotary)
    if has_transformer_engine():
        spec = get_gpt_layer_with_transformer_engine_spec(num_experts=experts)
        if config.position != "rope" or cached:
            spec.submodules.self_attention.submodules.core_attention = attention
        if experts:
            spec.submodules.mlp.submodules.router = Router
        return _scored(spec)
    spec = get_gpt_layer_local_spec(num_experts=experts)
    spec.submodules.input_layernorm = spec.submodules.pre_mlp_layernorm = _NORMS[config.norm]
    spec.submodules.self_attention.submodules.core_attention = attention
    if config.lora:
        _adapt(spec, config.lora)
    blocks = spec.submodules.mlp.submodules.experts if experts else spec.submodules.mlp
    if config.activation == "swiglu":
        blocks.submodules.activation_func = SwiGLU
    if experts:
        spec.submodules.mlp.submodules.router = Router
        # Megatron's local spec files this norm under the dense block's projection, TE's spec does not.
        del spec.submodules.sharded_state_dict_keys_map["pre_mlp_layernorm."]
        if not HAVE_TE:
            moe_utils.te_general_gemm = None  # Megatron 0.16.1 asks for it and defines it with TE only
    return _scored(spec)


def _adapt(spec: ModuleSpec, lora: LoraConfig) -> None:
    """Give the targets in a layer's spec adapters."""
    columns, rows = (ModuleSpec(module=kind, params={"lora": lora}) for kind in (AdaptedColumns, AdaptedRows))
    attention, mlp = spec.submodules.self_attention.submodules, spec.submodules.mlp.submodules
    places = {
        "qkv": (attention, "linear_qkv", columns),
        "proj": (attention, "linear_proj", rows),
        "fc1": (mlp, "linear_fc1", columns),
        "fc2": (mlp, "linear_fc2", rows),
    }
    for target in lora.targets:
        submodules, name, adapted = places[target]
        setattr(submodules, name, adapted)


def _scored(spec: ModuleSpec) -> ModuleSpec:
    """Return the layer's spec with the module that knows scored tokens."""
    return ModuleSpec(module=ScoredLayer, params=spec.params, submodules=spec.submodules)


def _transformer_config(config: ModelConfig, dtype: torch.dtype, **split: Any) -> TransformerConfig:
    interleaved = parallel_state.get_virtual_pipeline_model_parallel_world_size()
    return TransformerConfig(
        num_layers=config.num_layers,
        hidden_size=config.dim,
        num_attention_heads=config.num_heads,
        num_query_groups=config.kv_heads,
        ffn_hidden_size=config.ffn,
        normalization=_NORMS[config.norm].__name__,
        layernorm_epsilon=config.norm_eps,
        activation_func=F.silu if config.activation == "swiglu" else F.gelu,
        gated_linear_unit=config.activation == "swiglu",
        add_bias_linear=config.bias,
        hidden_dropout=0.0,
        attention_dropout=0.0,
        bf16=dtype is torch.bfloat16,
        fp16=dtype is torch.float16,
        params_dtype=dtype,
        pipeline_dtype=dtype,
        tensor_model_parallel_size=parallel_state.get_tensor_model_parallel_world_size(),
        pipeline_model_parallel_size=parallel_state.get_pipeline_model_parallel_world_size(),
        virtual_pipeline_model_parallel_size=interleaved,
        context_parallel_size=parallel_state.get_context_parallel_world_size(),
        # The loss is a sum over labels and the gradient is divided once by their count over all ranks and
        # microbatches: the same number in every layout.
        calculate_per_token_loss=True,
        # Fused kernels of Apex and Transformer Engine.
        gradient_accumulation_fusion=False,
        bias_activation_fusion=False,
        # Uses the activation of the layer spec, not only Transformer Engine's: SwiGLU is ours.
        use_te_activation_func=config.activation == "swiglu" and not has_transformer_engine(),
        masked_softmax_fusion=False,
        batch_p2p_comm=False,
        # A stage's output was sent on: the backward pass needs its gradient's shape alone.
        deallocate_pipeline_outputs=parallel_state.get_pipeline_model_parallel_world_size() > 1,
        **_expert_settings(config),
        **split,
    )


def _expert_settings(config: ModelConfig) -> dict[str, Any]:
    if config.moe is None:
        return {}
    tp = parallel_state.get_tensor_model_parallel_world_size()
    return {
        "num_moe_experts": config.moe.num_experts,
        "moe_ffn_hidden_size": config.ffn,
        "moe_router_topk": config.moe.top_k,
        "moe_router_pre_softmax": config.moe.top_k == 1,  # among the chosen ones alone its weight would always be 1
        "moe_aux_loss_coeff": config.moe.aux_loss,
        "moe_router_load_balancing_type": {"microbatch": "aux_loss", "sequence": "seq_aux_loss"}[config.moe.balance],
        "moe_expert_capacity_factor": config.moe.capacity_factor,
        "moe_z_loss_coeff": config.moe.z_loss or None,
        "moe_router_dtype": "fp32",
        # All-to-all sends a token only where it is wanted; with tensor parallelism it gathers parts of unequal size,
        # which gloo cannot.
        "moe_token_dispatcher_type": "alltoall" if tp == 1 or torch.cuda.is_available() else "allgather",
        "expert_model_parallel_size": parallel_state.get_expert_model_parallel_world_size(),
    }


def global_name(chunk: Decoder, name: str) -> str:
    """Return the name of a chunk's module or weight with its layer's number in the whole model, from 0."""
    start, mark, rest = name.partition("decoder.layers.")
    if start or not mark:
        return name
    number, _, inner = rest.partition(".")
    return ".".join(filter(None, (f"decoder.layers.{chunk.decoder.layers[int(number)].layer_number - 1}", inner)))


def take_documents(model: GPTModel) -> None:
    """Have the model take Documents: our attention in the place of Transformer Engine's, which knows documents apart
    only where all sequences are joined to one.
    """
    for layer in model.decoder.layers:
        if not isinstance(layer.self_attention.core_attention, CausalAttention):
            layer.self_attention.core_attention = CausalAttention(model.config)


def initialise(model: MegatronModule, config: Drawn, seed: int) -> None:
    """Fill this rank's weights with its slices of full tensors, each drawn from the seed and the tensor's global name.

    Any TP x PP x DP starts from the same numbers, bit for bit. Costs each rank the drawing of its layers' full tensors,
    once a run.
    """
    fill(model, lambda tensor: drawn(tensor, config, seed))


@torch.no_grad()
def fill(model: MegatronModule, full_tensor: Callable[[ShardedTensor], Tensor]) -> None:
    """Fill this rank's weights with its slices of full tensors: `full_tensor` returns the one that a part belongs to.

    The sharded state dict says where every local tensor lies in the global one. A tensor of a layer (and expert) is
    asked for on its own: `global_offset[:prepend_axis_num]` of the part tells which, and the full tensor has
    `global_shape[prepend_axis_num:]`. Parts of one tensor are asked for in turn.
    """
    sharded = model.sharded_state_dict()
    apply_factories(sharded)
    for tensor in nested_values(sharded):
        if isinstance(tensor, ShardedTensor):
            tensor.data.copy_(full_tensor(tensor)[_place(tensor)])


def _place(tensor: ShardedTensor) -> tuple[slice, ...]:
    offsets = tensor.global_offset[tensor.prepend_axis_num :]
    return tuple(slice(start, start + size) for start, size in zip(offsets, tensor.local_shape, strict=True))


def drawn(tensor: ShardedTensor, config: Drawn, seed: int) -> Tensor:
    """Return the whole tensor of one layer, float32, drawn from the seed and its name.

    The prepended axes' offsets name the layer.
    """
    shape, config = tensor.global_shape[tensor.prepend_axis_num :], _of_part(config, tensor.key)
    if len(shape) == 1:
        return torch.zeros(shape) if tensor.key.endswith("bias") else torch.ones(shape)
    if tensor.key.endswith(ADAPTER_OUT):
        return torch.zeros(shape)
    std = math.prod(shape[1:]) ** -0.5 if config.init_std is None else config.init_std
    if tensor.key.endswith(ADAPTER_IN):
        std = (3 * shape[1]) ** -0.5  # that of PEFT's uniform draw
    if tensor.key.endswith(_RESIDUAL):
        std /= (2 * config.num_layers) ** 0.5
    name = f"{seed}/{tensor.key}/{tensor.global_offset[: tensor.prepend_axis_num]}"
    generator = torch.Generator().manual_seed(int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") >> 1)
    return torch.empty(shape).normal_(0.0, std, generator=generator)


def _of_part(config: Drawn, name: str) -> Drawn:
    """Return the settings of the part of a model that a weight belongs to."""
    sense = config.sense if isinstance(config, ModelConfig) else None
    return getattr(sense, name.partition(".")[0]) if sense and is_of_sense(name) else config
