"""The speech encoder: NeMo's ConformerEncoder with relative positions, in plain modules whose weights have its names.

NeMo's own class is not used. Its import takes 15 s and 700 MB in each process that trains, evaluates or serves. Its
pins (lightning, which wants fsspec before 2026) do not install beside ours. Its forward pass is a collective of all
ranks (`sync_max_audio_length`), which waits for ever on ranks whose batch has no sound. The tests compare the modules
with it.

Every tensor parallel rank holds the encoder whole, as it does a join.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from stages.model import device
from stages.model.speech.config import SpeechEncoderConfig

# Shape suffixes: N = sounds, T = frames or features of the longest, M = mel bands, C = channels, W = width of a
# feature, H = heads, R = relative positions.


class Stem(nn.Module):
    """Convolutions over frames and bands, which halve both, and a matrix to the encoder's width."""

    def __init__(self, config: SpeechEncoderConfig) -> None:
        super().__init__()
        width = config.width
        layers: list[nn.Module] = [nn.Conv2d(1, width, 3, 2, 1), nn.ReLU()]
        for _ in range(config.halvings - 1):
            if config.stem == "dw_striding":
                layers += [nn.Conv2d(width, width, 3, 2, 1, groups=width), nn.Conv2d(width, width, 1), nn.ReLU()]
            else:
                layers += [nn.Conv2d(width, width, 3, 2, 1), nn.ReLU()]
        self.conv = nn.ModuleList(layers)
        self.out = nn.Linear(width * config.bands, config.dim)

    def forward(self, frames_NTM: Tensor, lengths_N: Tensor) -> tuple[Tensor, Tensor]:
        """Return features [N, T, W] and their number for each sound. Padding is 0 before each layer."""
        x_NCTM = frames_NTM[:, None]
        for layer in self.conv:
            x_NCTM = layer(x_NCTM * _is_valid(x_NCTM.size(2), lengths_N)[:, None, :, None])
            if getattr(layer, "stride", (1, 1)) != (1, 1):
                lengths_N = (lengths_N + 1) // 2
        x_NCTM = x_NCTM * _is_valid(x_NCTM.size(2), lengths_N)[:, None, :, None]
        features_NTW: Tensor = self.out(x_NCTM.transpose(1, 2).flatten(2))
        return features_NTW, lengths_N


class FeedForward(nn.Module):
    """Two matrices with Swish between them."""

    def __init__(self, config: SpeechEncoderConfig) -> None:
        super().__init__()
        self.linear1, self.linear2 = nn.Linear(config.dim, config.ffn), nn.Linear(config.ffn, config.dim)

    def forward(self, x_NTW: Tensor) -> Tensor:
        """Return the block's output."""
        output_NTW: Tensor = self.linear2(F.silu(self.linear1(x_NTW)))
        return output_NTW


class RelativeAttention(nn.Module):
    """Attention that knows how far apart two features are (Transformer-XL, arXiv:1901.02860, section 3.3)."""

    def __init__(self, config: SpeechEncoderConfig) -> None:
        super().__init__()
        self.num_heads, width = config.num_heads, config.dim
        self.linear_q, self.linear_k = nn.Linear(width, width), nn.Linear(width, width)
        self.linear_v, self.linear_out = nn.Linear(width, width), nn.Linear(width, width)
        self.linear_pos = nn.Linear(width, width, bias=False)
        shape = (config.num_heads, width // config.num_heads)
        self.pos_bias_u, self.pos_bias_v = nn.Parameter(torch.empty(shape)), nn.Parameter(torch.empty(shape))

    def forward(self, x_NTW: Tensor, distances_RW: Tensor, is_valid_NT: Tensor) -> Tensor:
        """Return the mixed features. `distances_RW` are the encoded distances from T - 1 to 1 - T."""
        query_NTHD, key_NTHD, value_NTHD = (
            linear(x_NTW).unflatten(2, (self.num_heads, -1)) for linear in (self.linear_q, self.linear_k, self.linear_v)
        )
        placed_HRD = self.linear_pos(distances_RW).unflatten(1, (self.num_heads, -1)).transpose(0, 1)
        by_place_NHTR = (query_NTHD + self.pos_bias_v).transpose(1, 2) @ placed_HRD.transpose(1, 2)
        bias_NHTT = _shifted(by_place_NHTR) / math.sqrt(query_NTHD.size(3))
        bias_NHTT = bias_NHTT.masked_fill(~is_valid_NT[:, None, None], -torch.inf)
        query_NHTD = (query_NTHD + self.pos_bias_u).transpose(1, 2)
        mixed_NHTD = F.scaled_dot_product_attention(
            query_NHTD, key_NTHD.transpose(1, 2), value_NTHD.transpose(1, 2), attn_mask=bias_NHTT
        )
        output_NTW: Tensor = self.linear_out(mixed_NHTD.transpose(1, 2).flatten(2))
        return output_NTW


class Convolution(nn.Module):
    """A gate, a convolution of each channel, a norm, Swish and a matrix."""

    def __init__(self, config: SpeechEncoderConfig) -> None:
        super().__init__()
        width = config.dim
        self.pointwise_conv1, self.pointwise_conv2 = nn.Conv1d(width, 2 * width, 1), nn.Conv1d(width, width, 1)
        self.depthwise_conv = nn.Conv1d(width, width, config.kernel, padding=config.kernel // 2, groups=width)
        self.batch_norm = nn.LayerNorm(width) if config.norm == "layer" else nn.Identity()

    def forward(self, x_NTW: Tensor, is_valid_NT: Tensor) -> Tensor:
        """Return the block's output."""
        gated_NWT = F.glu(self.pointwise_conv1(x_NTW.transpose(1, 2)), dim=1) * is_valid_NT[:, None]
        joined_NTW = self.batch_norm(self.depthwise_conv(gated_NWT).transpose(1, 2))
        output_NWT: Tensor = self.pointwise_conv2(F.silu(joined_NTW).transpose(1, 2))
        return output_NWT.transpose(1, 2)


class ConformerLayer(nn.Module):
    """Half a feed-forward block, attention, convolution, the other half, and a norm (arXiv:2005.08100, section 2)."""

    def __init__(self, config: SpeechEncoderConfig) -> None:
        super().__init__()
        self.norm_feed_forward1, self.feed_forward1 = nn.LayerNorm(config.dim), FeedForward(config)
        self.norm_self_att, self.self_attn = nn.LayerNorm(config.dim), RelativeAttention(config)
        self.norm_conv, self.conv = nn.LayerNorm(config.dim), Convolution(config)
        self.norm_feed_forward2, self.feed_forward2 = nn.LayerNorm(config.dim), FeedForward(config)
        self.norm_out = nn.LayerNorm(config.dim)

    def forward(self, x_NTW: Tensor, distances_RW: Tensor, is_valid_NT: Tensor) -> Tensor:
        """Return the features after the layer."""
        x_NTW = x_NTW + 0.5 * self.feed_forward1(self.norm_feed_forward1(x_NTW))
        x_NTW = x_NTW + self.self_attn(self.norm_self_att(x_NTW), distances_RW, is_valid_NT)
        x_NTW = x_NTW + self.conv(self.norm_conv(x_NTW), is_valid_NT)
        x_NTW = x_NTW + 0.5 * self.feed_forward2(self.norm_feed_forward2(x_NTW))
        output_NTW: Tensor = self.norm_out(x_NTW)
        return output_NTW


class SpeechEncoder(nn.Module):
    """Frames of sounds become features of each."""

    def __init__(self, config: SpeechEncoderConfig) -> None:
        super().__init__()
        self.shape = config
        self.pre_encode = Stem(config)
        self.layers = nn.ModuleList(ConformerLayer(config) for _ in range(config.num_layers))

    def forward(self, sounds: Sequence[Tensor]) -> list[Tensor]:
        """Return the features [T, W] of each sound, given its frames [T, M], at least one.

        A sound's features are those that it has alone, up to the order in which kernels add.
        """
        weight = self.pre_encode.out.weight
        frames_NTM = nn.utils.rnn.pad_sequence([*sounds], batch_first=True).to(weight)
        lengths_N = torch.tensor([len(sound) for sound in sounds], device=weight.device)
        x_NTW, lengths_N = self.pre_encode(frames_NTM, lengths_N)
        if self.shape.scaled:
            x_NTW = x_NTW * math.sqrt(self.shape.dim)
        distances_RW = encoded_distances(x_NTW.size(1), self.shape.dim).to(weight)
        is_valid_NT = _is_valid(x_NTW.size(1), lengths_N)
        for layer in self.layers:
            x_NTW = layer(x_NTW, distances_RW, is_valid_NT)
        return [features_TW[:length] for features_TW, length in zip(x_NTW, lengths_N.tolist(), strict=True)]


def build_speech_encoder(config: SpeechEncoderConfig, dtype: torch.dtype = torch.float32) -> SpeechEncoder:
    """Return the encoder, on the device. Weights are unset: see `initialise` and `fill` of stages.model.decoder."""
    return SpeechEncoder(config).to(device=device.device(), dtype=dtype)


def encoded_distances(length: int, width: int) -> Tensor:
    """Return sines and cosines of distances from length - 1 to 1 - length, [R, W] (arXiv:1706.03762, section 3.5)."""
    distances_R1 = torch.arange(length - 1, -length, -1.0)[:, None]
    rates_W = torch.exp(torch.arange(0, width, 2.0) * -(math.log(10_000.0) / width))
    return torch.stack([torch.sin(distances_R1 * rates_W), torch.cos(distances_R1 * rates_W)], dim=2).flatten(1)


def _shifted(by_place_NHTR: Tensor) -> Tensor:
    """Return the scores of pairs of features, [N, H, T, T], from those of a feature and a distance."""
    sounds, heads, length, distances = by_place_NHTR.shape
    padded = F.pad(by_place_NHTR, (1, 0)).view(sounds, heads, distances + 1, length)
    return padded[:, :, 1:].view(sounds, heads, length, distances)[..., :length]


def _is_valid(length: int, lengths_N: Tensor) -> Tensor:
    return torch.arange(length, device=lengths_N.device) < lengths_N[:, None]
