"""The vision encoder, a ViT on Megatron-Core's blocks: pixels in, features of patches out.

Megatron's own CLIPViTModel is not used: where Transformer Engine is absent its layers attend causally
(NVIDIA/Megatron-LM#1791), and it knows neither other sizes nor a layer before the last.
"""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F  # noqa: N812
from megatron.core import parallel_state
from megatron.core.fusions.fused_bias_dropout import get_bias_dropout_add
from megatron.core.tensor_parallel import ColumnParallelLinear, RowParallelLinear
from megatron.core.transformer import TransformerConfig
from megatron.core.transformer.attention import SelfAttention, SelfAttentionSubmodules
from megatron.core.transformer.enums import AttnMaskType
from megatron.core.transformer.mlp import MLP, MLPSubmodules
from megatron.core.transformer.module import MegatronModule
from megatron.core.transformer.spec_utils import ModuleSpec
from megatron.core.transformer.transformer_block import TransformerBlock, TransformerBlockSubmodules
from megatron.core.transformer.transformer_layer import TransformerLayer, TransformerLayerSubmodules
from torch import Tensor, nn

from stages.model import device
from stages.model.layers.attention import CausalAttention
from stages.model.layers.norm import LayerNorm
from stages.model.vision.config import VisionConfig

# Shape suffixes: N = squares, C = 3 channels, H, W = pixels of height and width, P = features of a square, D = width of
# a feature; T, B as in attention: T = tokens of a square, B = squares.


def quick_gelu(x: Tensor) -> Tensor:
    """Return x sigmoid(1.702 x), OpenAI CLIP's approximation of GELU (arXiv:1606.08415, section 2)."""
    return x * torch.sigmoid(1.702 * x)


_ACTIVATIONS = {"quick_gelu": quick_gelu, "gelu": F.gelu, "gelu_tanh": partial(F.gelu, approximate="tanh")}


class FullAttention(CausalAttention):
    """Attention over all tokens of a square, by torch's fused kernel."""

    def _mix(self, query: Tensor, key: Tensor, value: Tensor, hidden: Tensor | None) -> Tensor:
        query, key, value = (x.permute(1, 2, 0, 3) for x in (query, key, value))
        mixed_BHTD = F.scaled_dot_product_attention(query, key, value, attn_mask=hidden, scale=self.scale)
        return mixed_BHTD.permute(2, 0, 1, 3).flatten(2)


class VisionEncoder(MegatronModule):
    """A ViT. Tensor parallel ranks split its heads and feed-forward blocks; all else, each has whole.

    It lies on one pipeline stage as a whole, and never splits a square's tokens among ranks.
    """

    def __init__(self, config: VisionConfig, settings: TransformerConfig) -> None:
        super().__init__(config=settings)
        self.shape = config
        side = config.patch_size
        is_clip = config.family == "clip"
        self.patches = nn.Conv2d(3, config.dim, kernel_size=side, stride=side, bias=not is_clip)
        self.positions = nn.Parameter(torch.empty(config.num_positions, config.dim))
        if config.has_class_token:
            self.class_token = nn.Parameter(torch.empty(1, 1, config.dim))
        self.norm_before = LayerNorm(settings, config.dim, config.norm_eps) if is_clip else nn.Identity()
        spec = TransformerBlockSubmodules([_layer_spec()] * config.built_layers)
        self.blocks = TransformerBlock(settings, spec, pre_process=True, post_process=False)
        self.norm_after = LayerNorm(settings, config.dim, config.norm_eps) if config.final_norm else nn.Identity()

    def forward(self, pixels_NCHW: Tensor) -> Tensor:
        """Return the features [N, P, D] of normalised pixels, row by row of the grid, in the weights' type.

        Squares of another size than the encoder's have their own grid: its positions are interpolated.
        """
        grid_NDhw = self.patches(pixels_NCHW.to(self.patches.weight.dtype))
        tokens_NTD = grid_NDhw.flatten(2).transpose(1, 2)
        if self.shape.has_class_token:
            tokens_NTD = torch.cat([self.class_token.expand(len(tokens_NTD), -1, -1), tokens_NTD], dim=1)
        tokens_NTD = tokens_NTD + self._positions(*grid_NDhw.shape[2:])
        hidden_TND = self.norm_before(tokens_NTD).transpose(0, 1).contiguous()
        features_NTD: Tensor = self.norm_after(self.blocks(hidden_TND, attention_mask=None).transpose(0, 1))
        is_dropped = self.shape.has_class_token and not self.shape.class_token
        return features_NTD[:, 1:] if is_dropped else features_NTD

    def _positions(self, rows: int, columns: int) -> Tensor:
        side = self.shape.squares.side
        if (rows, columns) == (side, side):
            return self.positions
        return resized_positions(self.positions, (rows, columns), has_class_token=self.shape.has_class_token)


def resized_positions(table: Tensor, grid: tuple[int, int], *, has_class_token: bool) -> Tensor:
    """Return the positions of a grid (rows, columns), [T, D], interpolated from those of a square one: bicubic, the
    class token's row apart, as transformers' `interpolate_pos_encoding`.
    """
    first = int(has_class_token)
    side = round((len(table) - first) ** 0.5)
    square_1Dhw = table[first:].unflatten(0, (side, side)).permute(2, 0, 1)[None]
    resized_1Dhw = F.interpolate(square_1Dhw.float(), size=grid, mode="bicubic", align_corners=False)
    return torch.cat([table[:first], resized_1Dhw[0].flatten(1).t().to(table.dtype)])


def build_encoder(config: VisionConfig, dtype: torch.dtype = torch.float32) -> VisionEncoder:
    """Return this tensor parallel rank's part of the encoder, on the device. Weights are unset: see `initialise` and
    `fill` of stages.model.decoder.
    """
    settings = TransformerConfig(
        num_layers=max(config.built_layers, 1),
        hidden_size=config.dim,
        num_attention_heads=config.num_heads,
        ffn_hidden_size=config.ffn,
        normalization="LayerNorm",
        layernorm_epsilon=config.norm_eps,
        activation_func=_ACTIVATIONS[config.activation],
        add_bias_linear=True,
        hidden_dropout=0.0,
        attention_dropout=0.0,
        bf16=dtype is torch.bfloat16,
        fp16=dtype is torch.float16,
        params_dtype=dtype,
        tensor_model_parallel_size=parallel_state.get_tensor_model_parallel_world_size(),
        use_cpu_initialization=not torch.cuda.is_available(),
        calculate_per_token_loss=True,
        gradient_accumulation_fusion=False,
        bias_activation_fusion=False,
        masked_softmax_fusion=False,
    )
    encoder = VisionEncoder(config, settings)
    encoder.to(device=device.device(), dtype=dtype)
    return encoder


def _layer_spec() -> ModuleSpec:
    """Return the modules of a layer. Its attention sees every token."""
    attention = SelfAttentionSubmodules(
        linear_qkv=ColumnParallelLinear, core_attention=FullAttention, linear_proj=RowParallelLinear
    )
    submodules = TransformerLayerSubmodules(
        input_layernorm=LayerNorm,
        self_attention=ModuleSpec(SelfAttention, {"attn_mask_type": AttnMaskType.no_mask}, attention),
        self_attn_bda=get_bias_dropout_add,
        pre_mlp_layernorm=LayerNorm,
        mlp=ModuleSpec(MLP, submodules=MLPSubmodules(linear_fc1=ColumnParallelLinear, linear_fc2=RowParallelLinear)),
        mlp_bda=get_bias_dropout_add,
    )
    return ModuleSpec(TransformerLayer, submodules=submodules)
