"""The eyes of a release in JSON: config.json of a LLaVA, or eyes.json beside a language model. Light.

transformers has LLaVA's eyes (LlavaForConditionalGeneration). A release with other eyes is a folder of the language
model for transformers, and the eyes are ours to load.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from stages.model.eyes import EyesConfig
from stages.model.huggingface.config import CONFIG_JSON, read_config
from stages.model.huggingface.vision.config import from_vision_json, to_vision_json
from stages.pictures.plan import LLAVA_TILES
from stages.shared.errors import ConfigError, DataError

EYES_JSON = "eyes.json"
NEXT = "llava_next"
MODELS = ("llava", NEXT)
"""model_type of folders whose eyes are a LLaVA's: of 1.5, and of 1.6 with tiles of any resolution."""
LANGUAGE = "language_model."
"""Start of the names of the decoder's weights in a LLaVA."""


def unlike_llava(eyes: EyesConfig) -> str:
    """Return the reason why transformers' LLaVA is not these eyes; empty: it is."""
    if eyes.join.kind != "mlp":
        return f"join.kind {eyes.join.kind}: LLaVA has mlp"
    if eyes.max_tiles > 1:
        return f"max_tiles {eyes.max_tiles}: LLaVA sees one square a picture"
    if eyes.any_resolution == "onevision":
        return "any_resolution onevision: LLaVA has llava"
    if not eyes.encoder.built_layers:
        return f"encoder.layer {eyes.encoder.layer}: LLaVA has layers"
    return "encoder.final_norm: LLaVA takes features before it" if eyes.encoder.final_norm else ""


def llava_json(eyes: EyesConfig, decoder: Mapping[str, Any], picture_id: int) -> dict[str, Any]:
    """Return config.json of a LLaVA with a decoder's own; `picture_id` is the token that pictures take the place of.

    The encoder's layers are those that are built, and the last one's output gives the features.
    """
    is_next = eyes.any_resolution is not None
    return {
        "architectures": [f"Llava{'Next' if is_next else ''}ForConditionalGeneration"],
        "model_type": NEXT if is_next else "llava",
        **({"image_grid_pinpoints": pinpoints(eyes)} if is_next else {}),
        "text_config": dict(decoder),
        "vision_config": {**to_vision_json(eyes.encoder), "num_hidden_layers": eyes.encoder.built_layers},
        "image_token_index": picture_id,
        "image_seq_length": eyes.square_positions,
        "projector_hidden_act": "gelu",
        "multimodal_projector_bias": True,
        "vision_feature_layer": -1,
        "vision_feature_select_strategy": strategy(eyes),
        "tie_word_embeddings": decoder["tie_word_embeddings"],
        "torch_dtype": decoder["torch_dtype"],
    }


def pinpoints(eyes: EyesConfig) -> list[list[int]]:
    """Return LLaVA 1.6's sizes of tiles, [height, width] in pixels, in its order."""
    size = eyes.encoder.picture_size
    return [[rows * size, columns * size] for columns, rows in LLAVA_TILES]


def strategy(eyes: EyesConfig) -> str:
    """Return transformers' word for what becomes of the class token's feature."""
    is_dropped = eyes.encoder.has_class_token and not eyes.encoder.class_token
    return "default" if is_dropped else "full"


def read_eyes(folder: Path, settings: Mapping[str, Any]) -> EyesConfig | None:
    """Return the eyes of a folder with a config.json: of EYES_JSON, or of a LLaVA from elsewhere; None: there are none.

    Raises DataError, naming the file, for eyes that ours cannot be.
    """
    path = folder / EYES_JSON
    try:
        if path.exists():
            return EyesConfig(**read_config(path))
        return _of_llava(folder, settings) if settings.get("model_type") in MODELS else None
    except (ConfigError, ValidationError, KeyError, TypeError) as error:
        raise DataError(path, f"no eyes of ours ({error})", "Fetch the folder again") from error


def _of_llava(folder: Path, settings: Mapping[str, Any]) -> EyesConfig:
    path = folder / CONFIG_JSON
    layer = settings.get("vision_feature_layer", -2)
    if not isinstance(layer, int) or settings.get("projector_hidden_act", "gelu") != "gelu":
        raise DataError(path, "several feature layers, or a projector without GELU", "Use LLaVA 1.5")
    encoder = from_vision_json(settings, path)
    is_kept = encoder.has_class_token and settings.get("vision_feature_select_strategy", "default") == "full"
    changed = {"layer": layer, "final_norm": False, "class_token": is_kept}
    processor = folder / "preprocessor_config.json"
    cuts = read_config(processor) if processor.exists() else {}
    fit = "pad" if cuts.get("do_pad") else "crop" if cuts.get("do_center_crop", True) else "stretch"
    found = EyesConfig.model_validate({"encoder": encoder.model_dump() | changed, "fit": fit})
    if settings["model_type"] != NEXT:
        return found
    if settings.get("image_grid_pinpoints", pinpoints(found)) != pinpoints(found):
        raise DataError(path, "has other image_grid_pinpoints than LLaVA 1.6", f"Use {pinpoints(found)}")
    return EyesConfig.model_validate(found.model_dump() | {"any_resolution": "llava"})
