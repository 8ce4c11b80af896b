"""The checkpoint format: Megatron's torch_dist tensors, a state.json for what is no tensor, and a mark that seals both.

    __<rank>_0.distcp   tensors, one file a rank that had any to write
    .metadata           torch's index of them (a pickle of known classes; read through an allow-list)
    common.pt           Megatron's param groups: plain numbers (read with weights_only)
    metadata.json       Megatron's name and version of the format
    state.json          model, vocabulary, layout, step and so on: see stages/train/state/checkpoints.py
    rng-<rank>.json     generator states, in training checkpoints
    complete.json       size and SHA-256 of every other file; written last, so its absence means "not finished"

Bytes follow from the tensors alone: no times, hosts, paths or random ids. Everything here is collective: all ranks call
it together, and a single process is a group of one.
"""

from __future__ import annotations

import enum
import hashlib
import pickle
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from megatron.core import dist_checkpointing
from megatron.core.dist_checkpointing.dict_utils import extract_matching_values
from megatron.core.dist_checkpointing.mapping import ShardedObject, ShardedStateDict, StateDict
from torch import Tensor
from torch.distributed.checkpoint.default_planner import DefaultLoadPlanner
from torch.distributed.checkpoint.filesystem import FileSystemReader
from torch.distributed.checkpoint.metadata import ChunkStorageMetadata, MetadataIndex, TensorStorageMetadata
from torch.distributed.checkpoint.planner import LoadPlan
from torch.distributed.checkpoint.planner_helpers import create_read_items_for_chunk_list
from torch.distributed.checkpoint.state_dict_loader import load

from stages.model import parallel
from stages.model.checkpoint.names import COMPLETE
from stages.shared.errors import DataError
from stages.shared.files import read_json, sha256_file

Item = TypeVar("Item")
WEIGHTS = "model."
"""Start of the names of the model's weights; the optimizer's tensors start with "optimizer."."""
INDEX = ".metadata"
_INDEX_CLASSES = {
    "torch": {"Size", "float32", "bfloat16", "float16"},
    "torch.serialization": {"_get_layout"},
    "torch.distributed.checkpoint.metadata": {
        "ChunkStorageMetadata",
        "Metadata",
        "MetadataIndex",
        "TensorProperties",
        "TensorStorageMetadata",
        "_MEM_FORMAT_ENCODING",
    },
    "torch.distributed.checkpoint.filesystem": {"_StorageInfo"},
}
"""Names that torch's index may use when it is unpickled; none of them runs code of the file's choosing."""


def tensors_of(sharded: ShardedStateDict) -> ShardedStateDict:
    """Return a sharded state dict without its objects: Megatron's are empty here, and would be pickles."""
    return extract_matching_values(sharded, lambda value: not isinstance(value, ShardedObject))[0]


def read_tensors(sharded: ShardedStateDict, folder: Path) -> StateDict:
    """Return the tensors that `sharded` asks for, whatever layout wrote them.

    Raises DataError if the index names anything but tensors' own classes. Call `verify` first.
    """
    _check_index(folder / INDEX)
    return dist_checkpointing.load(sharded, str(folder))


def read_weights(folder: Path) -> Iterator[tuple[str, Tensor]]:
    """Yield the model's full weights by global name, in order of name, one in memory at a time. Not collective."""
    _check_index(folder / INDEX)
    entries = _tensors(folder)
    for name in sorted(name for name in entries if name.startswith(WEIGHTS)):
        weight = torch.empty(entries[name].size, dtype=entries[name].properties.dtype)
        _load_alone({name: weight}, storage_reader=FileSystemReader(folder))
        yield name, weight


def weights_digest(checkpoint: Path, rows: int) -> str:
    """Return the SHA-256 over a checkpoint's full weights in order of name: each name, shape and row-major bytes.

    Names and tensors are global, and of the vocabulary only the first `rows` rows count, without padding: equal weights
    have equal digests in every layout.
    """
    digest = hashlib.sha256()
    for name, weight in _read_ahead(read_weights(checkpoint)):
        used = weight[:rows] if name.endswith(("word_embeddings.weight", "output_layer.weight")) else weight
        digest.update(f"{name} {list(used.shape)} {used.dtype}\n".encode())
        digest.update(used.contiguous().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _read_ahead(items: Iterator[Item]) -> Iterator[Item]:
    """Yield the items; a thread makes the next one meanwhile. Raises what `items` raises."""
    with ThreadPoolExecutor(1) as reader:
        coming = reader.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = reader.submit(next, items, None)
            yield item


def read_slice(folder: Path, name: str, index: tuple[int, ...]) -> Tensor:
    """Return one layer's (and expert's) slice of a stacked tensor, or with () a whole one; nothing else is read.

    Raises DataError if the checkpoint has no such tensor. Not collective; call `verify` first.
    """
    _check_index(folder / INDEX)
    stored = _tensors(folder).get(name)
    if stored is None or any(place >= size for place, size in zip(index, stored.size, strict=False)):
        raise DataError(folder, f"lacks {name} {[*index]}", "Train it again")
    part = torch.empty((*(1 for _ in index), *stored.size[len(index) :]), dtype=stored.properties.dtype)
    _load_alone({name: part}, storage_reader=FileSystemReader(folder), planner=_SlicePlanner(part, index))
    return part.view(stored.size[len(index) :])


def _tensors(folder: Path) -> dict[str, TensorStorageMetadata]:
    """Return shape, type and parts of every tensor in a checkpoint."""
    entries = FileSystemReader(folder).read_metadata().state_dict_metadata
    return {name: entry for name, entry in entries.items() if isinstance(entry, TensorStorageMetadata)}


def _load_alone(state: StateDict, **how: Any) -> None:
    # torch warns that no other process takes part, which is intended. For the whole process: this may be any thread.
    warnings.filterwarnings("ignore", message="torch.distributed is disabled")
    load(state, **how, no_dist=True)


class _SlicePlanner(DefaultLoadPlanner):
    """Reads one block of one stored tensor: torch's own planner reads plain tensors whole."""

    def __init__(self, part: Tensor, index: tuple[int, ...]) -> None:
        super().__init__()
        self.part = part
        self.offsets = torch.Size([*index, *(0 for _ in part.shape[len(index) :])])

    def create_local_plan(self) -> LoadPlan:
        """Return what to read: the pieces of the stored tensor that lie in the block."""
        ((name, _),) = self.state_dict.items()
        block = ChunkStorageMetadata(offsets=self.offsets, sizes=self.part.shape)
        stored = self.metadata.state_dict_metadata[name] if self.metadata else None
        assert isinstance(stored, TensorStorageMetadata)  # read_slice has looked
        return LoadPlan(create_read_items_for_chunk_list(name, stored, [block]))

    def lookup_tensor(self, index: MetadataIndex) -> Tensor:
        """Return what is read into."""
        return self.part


def verify(folder: Path) -> None:
    """Raise DataError, naming the file, if the folder is not sealed or a sealed file changed. Ranks share the work."""
    try:
        files = parallel.agree(read_json(folder / COMPLETE)["files"] if dist.get_rank() == 0 else None)
    except (OSError, ValueError, KeyError, TypeError):
        files = parallel.agree({})
    files = files if isinstance(files, dict) else {}
    problems = [] if files else [f"no readable {COMPLETE}"]
    for name in sorted(files)[dist.get_rank() :: dist.get_world_size()]:
        path = folder / name
        if not path.is_file():
            problems.append(f"{name} is missing")
        elif describe(path) != files[name]:
            problems.append(f"{name} is not what was written")
    problems = [problem for part in _gather(problems) for problem in part]
    if problems:
        raise DataError(folder, f"incomplete or damaged checkpoint ({problems[0]})", "Use another one, or train again")


def describe(path: Path) -> dict[str, Any]:
    """Return a file's size and SHA-256, as the mark holds them."""
    return {"bytes": path.stat().st_size, "sha256": sha256_file(path)}


def _gather(value: Any) -> list[Any]:
    parts: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(parts, value, group=parallel.host_group())
    return parts


class _IndexUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("builtins", "getattr"):
            return _enum_member
        if name not in _INDEX_CLASSES.get(module, ()):
            raise pickle.UnpicklingError(f"names {module}.{name}")
        return super().find_class(module, name)


def _enum_member(kind: Any, name: Any) -> Any:
    """Return a member of an enumeration, which Python 3.11.2 pickles as a call of getattr; no other attribute."""
    if not (isinstance(kind, type) and issubclass(kind, enum.Enum) and isinstance(name, str)):
        raise pickle.UnpicklingError(f"takes {name!r} from {kind!r}")
    if name not in kind.__members__:
        raise pickle.UnpicklingError(f"names no member of {kind.__name__}: {name!r}")
    return kind[name]


def _check_index(path: Path) -> None:
    try:
        with path.open("rb") as file:
            _IndexUnpickler(file).load()
    except (OSError, EOFError, AttributeError, IndexError, pickle.UnpicklingError) as error:
        raise DataError(path, f"no index of tensors ({error})", "Use a checkpoint that this project wrote") from error
