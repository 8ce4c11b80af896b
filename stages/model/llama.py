"""The LLaMA decoder on Megatron-Core's GPTModel, and weights that do not depend on how it is split."""

from __future__ import annotations

import hashlib

import torch
import torch.nn.functional as F  # noqa: N812
from megatron.core import parallel_state
from megatron.core.dist_checkpointing.dict_utils import nested_values
from megatron.core.dist_checkpointing.mapping import ShardedTensor, apply_factories
from megatron.core.models.gpt import GPTModel
from megatron.core.models.gpt.gpt_layer_specs import get_gpt_layer_local_spec
from megatron.core.transformer import TransformerConfig
from torch import Tensor

from stages.model.attention import CausalAttention
from stages.model.config import ModelConfig, padded_vocab_size

_RESIDUAL = ("linear_proj.weight", "linear_fc2.weight")
"""Projections back into the residual stream, by the end of their name."""


def build_model(config: ModelConfig, vocab_size: int, dtype: torch.dtype = torch.float32) -> GPTModel:
    """Return this rank's part of the decoder; tensor and pipeline sizes come from Megatron's parallel state.

    Weights are unset: see `initialise`. Tokens go in as [B, T] and logits come out as [B, T, V], where V is this tensor
    parallel rank's part of the padded vocabulary.
    """
    tp = parallel_state.get_tensor_model_parallel_world_size()
    spec = get_gpt_layer_local_spec(normalization="RMSNorm")
    spec.submodules.self_attention.submodules.core_attention = CausalAttention
    return GPTModel(
        config=_transformer_config(config, dtype),
        transformer_layer_spec=spec,
        vocab_size=padded_vocab_size(vocab_size, tp),
        max_sequence_length=config.seq_len,
        pre_process=parallel_state.is_pipeline_first_stage(),
        post_process=parallel_state.is_pipeline_last_stage(),
        share_embeddings_and_output_weights=False,
        position_embedding_type="rope",
        rotary_base=config.rope_theta,
    )


def _transformer_config(config: ModelConfig, dtype: torch.dtype) -> TransformerConfig:
    return TransformerConfig(
        num_layers=config.num_layers,
        hidden_size=config.dim,
        num_attention_heads=config.num_heads,
        num_query_groups=config.kv_heads,
        ffn_hidden_size=config.ffn,
        normalization="RMSNorm",
        layernorm_epsilon=config.norm_eps,
        activation_func=F.silu,
        gated_linear_unit=True,
        add_bias_linear=False,
        hidden_dropout=0.0,
        attention_dropout=0.0,
        bf16=dtype is torch.bfloat16,
        params_dtype=dtype,
        pipeline_dtype=dtype,
        tensor_model_parallel_size=parallel_state.get_tensor_model_parallel_world_size(),
        pipeline_model_parallel_size=parallel_state.get_pipeline_model_parallel_world_size(),
        # The loss is a sum over labels and the gradient is divided once by their count over all ranks and
        # microbatches: the same number in every layout.
        calculate_per_token_loss=True,
        # `initialise` draws the weights anew: Megatron's draw depends on the layout. But there it also marks split
        # weights as such, and unmarked ones count on one rank only in the gradient's norm.
        perform_initialization=True,
        use_cpu_initialization=not torch.cuda.is_available(),
        # Fused kernels of Apex and Transformer Engine; sequence parallelism wants their norms.
        gradient_accumulation_fusion=False,
        bias_activation_fusion=False,
        masked_softmax_fusion=False,
        sequence_parallel=False,
        batch_p2p_comm=False,
    )


@torch.no_grad()
def initialise(model: GPTModel, config: ModelConfig, seed: int) -> None:
    """Fill this rank's weights with its slices of full tensors, each drawn from the seed and the tensor's global name.

    The sharded state dict says where every local tensor lies in the global one, so any TP x PP x DP starts from the
    same numbers, bit for bit. Costs each rank the drawing of its layers' full tensors, once a run.
    """
    sharded = model.sharded_state_dict()
    apply_factories(sharded)
    for tensor in nested_values(sharded):
        if isinstance(tensor, ShardedTensor):
            tensor.data.copy_(_full_tensor(tensor, config, seed)[_place(tensor)])


def _place(tensor: ShardedTensor) -> tuple[slice, ...]:
    offsets = tensor.global_offset[tensor.prepend_axis_num :]
    return tuple(slice(start, start + size) for start, size in zip(offsets, tensor.local_shape, strict=True))


def _full_tensor(tensor: ShardedTensor, config: ModelConfig, seed: int) -> Tensor:
    """Return the whole tensor of one layer, float32; layers are told apart by the prepended axes' offsets."""
    shape = tensor.global_shape[tensor.prepend_axis_num :]
    if len(shape) == 1:  # an RMSNorm's gain
        return torch.ones(shape)
    std = config.init_std
    if tensor.key.endswith(_RESIDUAL):
        std /= (2 * config.num_layers) ** 0.5
    name = f"{seed}/{tensor.key}/{tensor.global_offset[: tensor.prepend_axis_num]}"
    generator = torch.Generator().manual_seed(int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") >> 1)
    return torch.empty(shape).normal_(0.0, std, generator=generator)
