"""config.json of a vision encoder's Hugging Face folder, from and to our settings. Pure; imports no torch.

Folders of CLIP and SigLIP: the encoder alone, the whole model with its text tower, or a LLaVA with its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stages.model.vision.config import Activation, VisionConfig
from stages.shared.errors import DataError

_SIZES = {
    "picture_size": "image_size",
    "patch_size": "patch_size",
    "num_layers": "num_hidden_layers",
    "dim": "hidden_size",
    "num_heads": "num_attention_heads",
    "ffn_dim": "intermediate_size",
    "norm_eps": "layer_norm_eps",
    "init_std": "initializer_range",
}
"""Our names and transformers' for the same numbers."""
_COMMON = {"image_size": 224, "num_hidden_layers": 12, "hidden_size": 768, "intermediate_size": 3072}
_DEFAULTS: dict[str, dict[str, Any]] = {
    "clip": {**_COMMON, "num_attention_heads": 12, "patch_size": 32, "hidden_act": "quick_gelu"},
    "siglip": {**_COMMON, "num_attention_heads": 12, "patch_size": 16, "hidden_act": "gelu_pytorch_tanh"},
}
"""What transformers takes for a setting that a config.json leaves out, as those of whole models do."""
_ACTIVATIONS: dict[str, Activation] = {
    "quick_gelu": "quick_gelu",
    "gelu": "gelu",
    "gelu_pytorch_tanh": "gelu_tanh",
    "gelu_new": "gelu_tanh",
}
_THEIRS = {"quick_gelu": "quick_gelu", "gelu": "gelu", "gelu_tanh": "gelu_pytorch_tanh"}
_FREE = ("picture_size", "layer", "final_norm", "class_token", "init_std")
"""Settings in which an encoder may differ from the folder whose weights it has: positions are interpolated."""


def from_vision_json(settings: Mapping[str, Any], path: Path) -> VisionConfig:
    """Return the whole encoder of a config.json: all layers, the final norm, the class token if it has one.

    Raises DataError, naming the setting, for an encoder that ours cannot be.
    """
    own = settings.get("vision_config", settings)
    kind = own.get("model_type") or settings.get("model_type") if isinstance(own, Mapping) else None
    family = str(kind).removesuffix("_vision_model")
    if family not in ("clip", "siglip"):
        raise DataError(path, f"model_type {kind!r}", "Use a CLIP or SigLIP folder")
    given = {**_DEFAULTS[family], **{name: value for name, value in own.items() if value is not None}}
    if given.get("num_channels", 3) != 3:
        raise DataError(path, f"num_channels {given['num_channels']!r}", "This encoder has 3")
    if given["hidden_act"] not in _ACTIVATIONS:
        raise DataError(path, f"hidden_act {given['hidden_act']!r}", f"This encoder has {', '.join(_ACTIVATIONS)}")
    try:
        values = {ours: given[theirs] for ours, theirs in _SIZES.items() if theirs in given}
        activation = _ACTIVATIONS[given["hidden_act"]]
        return VisionConfig(family="clip" if family == "clip" else "siglip", activation=activation, **values).whole
    except (TypeError, ValueError) as error:
        raise DataError(path, f"misstates {error}", "Use transformers' config.json") from error


def to_vision_json(config: VisionConfig) -> dict[str, Any]:
    """Return config.json's content for an encoder: CLIPVisionModel's or SiglipVisionModel's, with its built layers."""
    settings = {theirs: getattr(config, ours) for ours, theirs in _SIZES.items()}
    name = {"clip": "CLIP", "siglip": "Siglip"}[config.family]
    return {
        **settings,
        "intermediate_size": config.ffn,
        "hidden_act": _THEIRS[config.activation],
        "num_channels": 3,
        "model_type": f"{config.family}_vision_model",
        "architectures": [f"{name}VisionModel"],
        **({"vision_use_head": False} if config.family == "siglip" else {"projection_dim": config.dim}),
    }


def require_same_encoder(path: Path, wanted: VisionConfig, found: VisionConfig) -> None:
    """Raise DataError if a recipe's encoder cannot have the weights of a folder's.

    A folder may lack layers behind those that are built, as releases of LLaVA do.
    """
    free = {*_FREE}
    if wanted.built_layers <= found.num_layers <= wanted.num_layers:
        free.add("num_layers")
    ours, theirs = ({**each.model_dump(exclude=free), "ffn_dim": each.ffn} for each in (wanted, found))
    if other := {name: value for name, value in theirs.items() if value != ours[name]}:
        remedy = f"Give the recipe's encoder section {', '.join(f'{name}: {value}' for name, value in other.items())}"
        raise DataError(path, "another encoder than the recipe's", remedy)
