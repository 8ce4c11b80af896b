"""A vision encoder's weights from a Hugging Face folder, each rank what it needs; and such a folder of ours."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from megatron.core.dist_checkpointing.mapping import ShardedTensor
from safetensors.torch import save_file
from torch import Tensor

from stages.model.decoder import fill
from stages.model.huggingface.config import CONFIG_JSON, read_config
from stages.model.huggingface.folder import TYPES, WEIGHTS, Header, read_folder_headers
from stages.model.huggingface.reading import read_tensor
from stages.model.huggingface.tensors import Slice
from stages.model.huggingface.vision.config import from_vision_json, require_same_encoder, to_vision_json
from stages.model.huggingface.vision.tensors import POSITIONS, join, shape, slices, split
from stages.model.vision.config import VisionConfig
from stages.model.vision.encoder import VisionEncoder, resized_positions
from stages.shared.errors import DataError
from stages.shared.files import flush_tree, replace_dir, write_json

_PREFIXES = ("", "vision_model.", "vision_tower.", "vision_tower.vision_model.", "model.vision_tower.")
"""What stands before the names of an encoder's tensors: transformers 5's folder of one alone, older and whole ones, and
a LLaVA's."""
_ANCHOR = "embeddings.patch_embedding.weight"
_NORM = "post_layernorm.weight"
_DERIVED = "position_ids"
"""Ends the name of a tensor that old folders hold and that follows from the number of positions."""


class VisionFolder:
    """A folder with a CLIP or SigLIP encoder. Tensors of other parts (text tower, projections) are not read."""

    def __init__(self, folder: Path) -> None:
        """Read what is there, not the weights.

        Raises DataError, naming the file, if there is no encoder of ours, or if one of its tensors is missing, unknown,
        cut off, quantized or of another shape than config.json says.
        """
        self.folder = folder
        self.config = from_vision_json(read_config(folder / CONFIG_JSON), folder / CONFIG_JSON)
        headers = read_folder_headers(folder)
        prefixes = [prefix for prefix in _PREFIXES if prefix + _ANCHOR in headers]
        if not prefixes:
            raise DataError(folder, f"no tensor {_ANCHOR}", "Use the safetensors of a CLIP or SigLIP model")
        prefix = prefixes[0]
        own = {name.removeprefix(prefix): header for name, header in headers.items() if name.startswith(prefix)}
        if _NORM not in own:  # a LLaVA's encoder of few layers has no use for it
            self.config = self.config.model_copy(update={"final_norm": False})
        wanted = {name: shape(self.config, part) for part in slices(self.config) for name in part.names}
        for name, expected in wanted.items():
            _check(folder, prefix + name, own.get(name), expected)
        self._prefix, self._tensors = prefix, {name: own[name] for name in wanted}
        others = [name for name in headers if name.removeprefix(prefix) not in wanted and not name.endswith(_DERIVED)]
        if odd := [name for name in others if name.startswith((f"{prefix}encoder.", f"{prefix}embeddings."))]:
            problem = f"has an unknown tensor {odd[0]} ({len(odd)} such)"
            raise DataError(folder, problem, f"{CONFIG_JSON} says {self.config.num_layers} layers")
        self.ignored = Counter(name.removeprefix(prefix).partition(".")[0] for name in others)
        """Tensors of other parts, by the part: `text_model` and others."""

    def read(self, part: Slice) -> Tensor:
        """Return one slice of ours. Raises DataError, naming the file, if it cannot be read."""
        return join(self.config, part.key, [self._tensor(name) for name in part.names])

    def _tensor(self, name: str) -> Tensor:
        if name not in self._tensors:
            raise DataError(self.folder, f"lacks tensor {self._prefix}{name}", "Use a folder with the final norm")
        return read_tensor(self.folder / self._tensors[name].file, name, self._prefix)


def _check(folder: Path, name: str, header: Header | None, expected: tuple[int, ...]) -> None:
    if header is None:
        raise DataError(folder, f"lacks tensor {name}", "Use the safetensors of a CLIP or SigLIP model")
    if header.shape != expected:
        problem, remedy = f"shape {[*header.shape]}", f"{CONFIG_JSON} says {[*expected]}"
        raise DataError(folder / header.file, problem, remedy, record=name)
    if header.dtype not in TYPES:
        remedy = f"Use weights that are not quantized ({', '.join(TYPES)})"
        raise DataError(folder / header.file, f"type {header.dtype}", remedy, record=name)


def import_encoder(encoder: VisionEncoder, folder: Path) -> None:
    """Fill this rank's weights of an encoder from a folder, in any layout. Layers that are not built are not read, and
    positions of another size are interpolated.

    Raises DataError if the folder has another encoder, saying what the recipe's encoder section has to be.
    """
    fill(encoder, encoder_tensors(encoder.shape, folder))


def encoder_tensors(config: VisionConfig, folder: Path, prefix: str = "") -> Callable[[ShardedTensor], Tensor]:
    """Return the function that reads an encoder's full tensors from a folder, for `fill`; `prefix` stands before their
    names in a larger model. It raises as `import_encoder` does.
    """
    found = VisionFolder(folder)
    require_same_encoder(folder / CONFIG_JSON, config, found.config)
    parts = {(part.key, part.index): part for part in slices(config)}
    side = config.squares.side

    def full_tensor(tensor: ShardedTensor) -> Tensor:
        part = parts[tensor.key.removeprefix(prefix), tensor.global_offset[: tensor.prepend_axis_num]]
        whole = found.read(part)
        if part.key == POSITIONS and len(whole) != config.num_positions:
            return resized_positions(whole, (side, side), has_class_token=config.has_class_token)
        return whole

    return full_tensor


def their_tensors(
    config: VisionConfig, read: Callable[[Slice], Tensor], prefix: str = ""
) -> Iterator[tuple[str, Tensor]]:
    """Yield an encoder's tensors under the names of a folder; `read` returns a slice of ours."""
    for part in slices(config):
        for name, tensor in zip(part.names, split(config, part.key, read(part)), strict=True):
            yield prefix + name, tensor.clone()  # a view would be saved with all it looks at


def export_encoder(config: VisionConfig, read: Callable[[Slice], Tensor], folder: Path) -> None:
    """Write an encoder as a folder that transformers loads. Written aside and renamed."""
    aside = folder.with_name(f".{folder.name}.tmp")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    save_file(dict(their_tensors(config, read)), aside / WEIGHTS, metadata={"format": "pt"})
    write_json(aside / CONFIG_JSON, to_vision_json(config))
    flush_tree(aside)
    replace_dir(aside, folder)
