"""The eyes of a release: a LLaVA where transformers has these eyes, else a file of our own beside the language model.

    eyes.json         EyesConfig: encoder, layer, class token, join, how a picture is cut
    eyes.safetensors  weights: `vision_tower.` and transformers' names of the encoder, `multi_modal_projector.` and ours
                      of the join, which are LLaVA's for its own two layers, and `image_newline`

A LLaVA has the config.json of LlavaForConditionalGeneration, `language_model.` before the names of the decoder's
weights, and the two files of the processor.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from stages.model.eyes import EyesConfig
from stages.model.huggingface.folder import read_folder_headers, read_headers
from stages.model.huggingface.reading import read_tensor
from stages.model.huggingface.tensors import Slice
from stages.model.huggingface.vision.llava import EYES_JSON, pinpoints, strategy, unlike_llava
from stages.model.huggingface.vision.tensors import join, shape, slices, split
from stages.model.joins.build import join_shapes
from stages.model.sight import NORMALISATIONS
from stages.shared.errors import DataError
from stages.shared.files import write_json

EYES = "eyes.safetensors"
TOWER, PROJECTOR = "vision_tower.", "multi_modal_projector."
"""Starts of the names of a LLaVA's parts."""
NEWLINE = "image_newline"
"""Name of the embedding that ends a row of features, which has one axis there."""
ENCODER, JOIN = "encoder.", "join."
"""Starts of ours."""
_FIRST_NORM, _NORM = "encoder.layers.0.layer_norm1.weight", "post_layernorm."
_CUTS: dict[str, dict[str, bool]] = {
    "crop": {"do_pad": False, "do_center_crop": True},
    "pad": {"do_pad": True, "do_center_crop": False},
    "stretch": {"do_pad": False, "do_center_crop": False},
}
"""By EyesConfig.fit, what transformers' processor does."""
Read = Callable[[str, tuple[int, ...]], Tensor]
"""Returns a slice of our tensor, by global name and layer."""


def write_processor(folder: Path, eyes: EyesConfig, picture_token: str) -> None:
    """Write the files of transformers' LlavaProcessor beside the tokenizer's."""
    size, normalisation = eyes.encoder.picture_size, NORMALISATIONS[eyes.normalisation]
    square = {"height": size, "width": size}
    is_next = eyes.any_resolution is not None
    pixels = {
        "image_processor_type": f"Llava{'Next' if is_next else ''}ImageProcessor",
        **{"do_convert_rgb": True, "do_resize": True, "do_rescale": True, "do_normalize": True, "resample": 3},
        **({"do_pad": True, "image_grid_pinpoints": pinpoints(eyes)} if is_next else _CUTS[eyes.fit]),
        "size": square if eyes.fit == "stretch" else {"shortest_edge": size},
        "crop_size": square,
        "image_mean": normalisation.mean,
        "image_std": normalisation.std,
    }
    positions = {
        "processor_class": f"Llava{'Next' if is_next else ''}Processor",
        "patch_size": eyes.encoder.patch_size,
        "num_additional_image_tokens": int(eyes.encoder.has_class_token),
        "vision_feature_select_strategy": strategy(eyes),
        "image_token": picture_token,
    }
    write_json(folder / "preprocessor_config.json", pixels)
    write_json(folder / "processor_config.json", positions)


def eyes_tensors(eyes: EyesConfig, dim: int, read: Read) -> dict[str, Tensor]:
    """Return the tensors of EYES, for a decoder of width `dim`; `read` returns a slice of ours."""
    found: dict[str, Tensor] = {}
    for part in slices(eyes.encoder):
        whole = read(ENCODER + part.key, part.index)
        for name, tensor in zip(part.names, split(eyes.encoder, part.key, whole), strict=True):
            found[TOWER + name] = tensor.clone()  # a view would be saved with all it looks at
    for name, (theirs, _) in _joins(eyes, dim).items():
        whole = read(JOIN + name, ())
        found[theirs] = whole[0].clone() if theirs == NEWLINE else whole
    if not unlike_llava(eyes):  # transformers' encoder has a last norm, which a LLaVA's features do not pass
        like = found[f"{TOWER}{_FIRST_NORM}"]
        found |= {f"{TOWER}{_NORM}weight": torch.ones_like(like), f"{TOWER}{_NORM}bias": torch.zeros_like(like)}
    return found


def _joins(eyes: EyesConfig, dim: int) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Return the names and shapes of a join's tensors in a folder, by our names."""
    shapes = join_shapes(eyes.join, eyes.encoder.dim, dim, newline=eyes.any_resolution is not None)
    return {
        name: (NEWLINE, (dim,)) if name == "newline" else (PROJECTOR + name, shape) for name, shape in shapes.items()
    }


class EyesFolder:
    """The weights of a folder's eyes."""

    def __init__(self, folder: Path, eyes: EyesConfig, dim: int) -> None:
        """Read what is there, not the weights. Raises DataError if a tensor is missing or of another shape."""
        self._folder, self._eyes = folder, eyes
        path = folder / EYES
        headers = read_headers(path) if path.exists() else read_folder_headers(folder)
        is_old = any(name.startswith(f"{TOWER}vision_model.") for name in headers)
        self._prefix = f"{TOWER}vision_model." if is_old else TOWER
        self._parts = {(part.key, part.index): part for part in slices(eyes.encoder)}
        wanted = {
            self._prefix + name: shape(eyes.encoder, part) for part in self._parts.values() for name in part.names
        }
        self._joins = _joins(eyes, dim)
        wanted |= dict(self._joins.values())
        for name, expected in wanted.items():
            if name not in headers:
                raise DataError(path, f"lacks tensor {name}", "Release the checkpoint again: no part may be new")
            if headers[name].shape != expected:
                problem = f"shape {[*headers[name].shape]}"
                raise DataError(path, problem, f"{EYES_JSON} says {[*expected]}", record=name)
        self._headers = headers

    def read(self, key: str, index: tuple[int, ...]) -> Tensor:
        """Return a slice of ours, by global name and layer."""
        if key.startswith(JOIN):
            theirs, _ = self._joins[key.removeprefix(JOIN)]
            return self._tensor(theirs)[None] if theirs == NEWLINE else self._tensor(theirs)
        part: Slice = self._parts[key.removeprefix(ENCODER), index]
        return join(self._eyes.encoder, part.key, [self._tensor(self._prefix + name) for name in part.names])

    def _tensor(self, name: str) -> Tensor:
        return read_tensor(self._folder / self._headers[name].file, name)
