"""Saving a checkpoint in three parts, so that training continues during the longest of them.

    draft = saver.start(...)   together: what is written where; this rank's part is copied, if it is to change meanwhile
    draft.write()              alone, in any thread: this rank's files and their digests
    files = draft.finish()     together: torch's index of all tensors; then `mark` makes the folder a checkpoint

Only the first and the last make collectives: in a thread they would meet the training's own in another order on every
rank. Nothing here starts a process. Megatron's asynchronous strategies start a manager and fork writers; started
processes re-run the entry module, which dies or hangs where that is `python -m` something, and outlive a kill -9 of
their parent.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from megatron.core.dist_checkpointing.core import CONFIG_FNAME, CheckpointingConfig, save_config
from megatron.core.dist_checkpointing.mapping import ShardedStateDict
from megatron.core.dist_checkpointing.state_dict_utils import save_preprocess
from megatron.core.dist_checkpointing.strategies.common import COMMON_STATE_FNAME
from megatron.core.dist_checkpointing.strategies.torch import (
    MCoreSavePlanner,
    _replace_state_dict_keys_with_sharded_keys,
    mcore_to_pyt_state_dict,
)
from torch import Tensor
from torch.distributed.checkpoint._dedup_save_plans import dedup_save_plans
from torch.distributed.checkpoint.default_planner import (
    DefaultSavePlanner,
    _validate_global_plan,
    create_default_global_save_plan,
)
from torch.distributed.checkpoint.filesystem import FileSystem, FileSystemWriter, _StoragePrefix
from torch.distributed.checkpoint.metadata import Metadata, MetadataIndex
from torch.distributed.checkpoint.planner import SavePlan, WriteItem
from torch.distributed.checkpoint.storage import WriteResult

from stages.model import parallel
from stages.model.checkpoint.names import COMPLETE
from stages.model.checkpoint.reading import INDEX, describe
from stages.shared import log
from stages.shared.files import write_atomic, write_json

Files = dict[str, dict[str, Any]]
"""Size and SHA-256 by file name, as complete.json has them."""
_OPTIMIZER = "optimizer.state."
"""Part of the names of the optimizer's tensors."""
_ALIGNMENT = 64
"""Bytes between the starts of two tensors in the copy are a multiple of this, which any number type can be read at."""


class Saver:
    """Saves states of one structure again and again; what is written where is planned with the first."""

    def __init__(self) -> None:
        self._copy = HostCopy()
        self._plan: SavePlan | None = None
        self._index: Metadata | None = None

    def start(self, state: ShardedStateDict, folder: Path, values: Mapping[str, Any], *, copied: bool) -> Draft:
        """Return what this rank has to write of a state, and of JSON values by file name, into a folder.

        A copied state may change as soon as this returns; one that is not, after `write`. Collective the first time.
        """
        sharded, common = save_preprocess(state, validate_access_integrity=self._plan is None)
        by_key, _, _ = _replace_state_dict_keys_with_sharded_keys(sharded, keep_only_main_replica=True)
        planner = MCoreSavePlanner(flatten_state_dict=False)
        planner.set_up_planner(mcore_to_pyt_state_dict(by_key), is_coordinator=dist.get_rank() == 0)
        plan = replace(planner.create_local_plan(), storage_data=_StoragePrefix(f"__{dist.get_rank()}_"))
        if self._plan is None:
            self._index = _index_of(plan)
        elif plan.items != self._plan.items:
            raise RuntimeError("the state's structure changed between two saves")
        self._plan = plan
        tensors = [planner.resolve_data(item).detach() for item in plan.items]
        if copied:
            tensors = self._copy.take(tensors)
        placed = {item.index: tensor for item, tensor in zip(plan.items, tensors, strict=True)}
        return Draft(
            folder=folder, plan=plan, tensors=placed, values=values, common=_as_bytes(common), index=self._index
        )


def _index_of(plan: SavePlan) -> Metadata | None:
    """Return, on rank 0, torch's index of every rank's tensors. Collective."""
    plans: list[SavePlan] = gather(plan)
    if not plans:
        return None
    merged, index = create_default_global_save_plan(dedup_save_plans(plans))
    # A frozen layer has no optimizer state: its place in the tensor of all layers stays empty.
    whole = {name: entry for name, entry in index.state_dict_metadata.items() if _OPTIMIZER not in name}
    # torch 2.13 returns errors, earlier versions whether there is none; all of them log each.
    if _validate_global_plan(merged, replace(index, state_dict_metadata=whole)) not in ([], True):
        raise RuntimeError("the ranks' parts do not make whole tensors: torch's warnings name them")
    return index


@dataclass(kw_only=True)
class Draft:
    """A rank's part of a checkpoint that is being saved."""

    folder: Path
    plan: SavePlan
    tensors: Mapping[MetadataIndex, Tensor]
    """The tensors of the plan's items; dropped when they are written."""
    values: Mapping[str, Any]
    common: bytes
    """common.pt: Megatron's param groups."""
    index: Metadata | None
    """torch's index, on rank 0, without places in files."""
    files: Files = field(default_factory=dict)
    """The files that this rank wrote."""
    results: list[WriteResult] = field(default_factory=list)
    """The places of its tensors in the files."""

    def write(self) -> None:
        """Write this rank's files, flushed to disk, and take their digests. Raises OSError if the disk will not."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for name, value in self.values.items():
            write_json(self.folder / name, value)
            self.files[name] = describe(self.folder / name)
        if self.index is not None:
            write_atomic(self.folder / COMMON_STATE_FNAME, self.common)
            save_config(CheckpointingConfig("torch_dist", 1), str(self.folder))
            for name in (COMMON_STATE_FNAME, CONFIG_FNAME):
                self.files[name] = describe(self.folder / name)
        if self.plan.items:
            writer = _Writer(self.folder)
            self.results = writer.write_data(self.plan, _Placed(self.tensors)).wait()
            self.files |= writer.hashed.files
        self.tensors = {}

    def finish(self) -> Files:
        """Write the index; return every file's description on rank 0, else nothing. Collective, after `write`."""
        parts: list[tuple[list[WriteResult], Files]] = gather((self.results, self.files))
        if self.index is None:
            return {}
        _Writer(self.folder).finish(replace(self.index), [results for results, _ in parts])
        files = {name: entry for _, part in parts for name, entry in part.items()}
        return files | {INDEX: describe(self.folder / INDEX)}


def save(state: ShardedStateDict, folder: Path, values: Mapping[str, Any]) -> None:
    """Make a folder a checkpoint of a state and of JSON values by file name, those of this rank. Collective."""
    draft = Saver().start(state, folder, values, copied=False)
    draft.write()
    mark(folder, draft.finish())
    dist.barrier()


def mark(folder: Path, files: Files) -> None:
    """Write the mark that the folder holds everything it should, given what `finish` returned. On rank 0 alone."""
    if dist.get_rank() == 0:
        write_json(folder / COMPLETE, {"files": files})


def gather(value: Any) -> list[Any]:
    """Return every rank's value on rank 0, in order of rank, and nothing on others. Collective."""
    parts = [None] * dist.get_world_size() if dist.get_rank() == 0 else None
    dist.gather_object(value, parts, group=parallel.host_group())
    return parts or []


class HostCopy:
    """Host memory for a copy of a rank's tensors: one block, kept from save to save, and pinned where there is CUDA."""

    def __init__(self) -> None:
        self._block = torch.empty(0, dtype=torch.uint8)

    def take(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """Return copies of the tensors; those of the last call are overwritten."""
        starts = [0]
        for tensor in tensors:
            starts.append(starts[-1] + -(-tensor.nbytes // _ALIGNMENT) * _ALIGNMENT)
        if self._block.numel() != starts[-1]:
            self._block = _pinned(starts[-1])
        copies = [
            self._block[start : start + tensor.nbytes].view(tensor.dtype).view(tensor.shape)
            for start, tensor in zip(starts, tensors, strict=False)
        ]
        for copy, tensor in zip(copies, tensors, strict=True):
            copy.copy_(tensor, non_blocking=True)
        if torch.cuda.is_available():
            torch.cuda.current_stream().synchronize()
        return copies


def _pinned(size: int) -> Tensor:
    """Return a block of host memory that a GPU copies to at full speed.

    torch's own pinned memory comes in powers of two, which would be up to twice the state.
    """
    block = torch.empty(size, dtype=torch.uint8)
    if torch.cuda.is_available() and size:
        failed = int(torch.cuda.cudart().cudaHostRegister(block.data_ptr(), size, 0))
        if failed:
            log.warning(f"checkpoints are copied from the GPU slowly: error {failed} of cudaHostRegister")
    return block


def _as_bytes(value: Any) -> bytes:
    file = io.BytesIO()
    torch.save(value, file)
    return file.getvalue()


class _Placed(DefaultSavePlanner):
    """Finds the tensors of a plan without the state that it was made of."""

    def __init__(self, tensors: Mapping[MetadataIndex, Tensor]) -> None:
        super().__init__()
        self.tensors = tensors

    def resolve_data(self, write_item: WriteItem) -> Tensor:
        """Return an item's tensor."""
        return self.tensors[write_item.index]


class _Writer(FileSystemWriter):
    """torch's writer, in this thread alone: a GPU's tensors that were not copied are fetched one by one."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, per_thread_copy_ahead=0)
        self.fs = self.hashed = _HashedFiles()

    def storage_meta(self) -> None:
        """Return nothing: torch would write the path and a random id into the index."""
        return


class _HashedFiles(FileSystem):
    """Takes digests from what is written, so that no file is read again."""

    def __init__(self) -> None:
        super().__init__()
        self.files: Files = {}

    @contextmanager
    def create_stream(self, path: str | os.PathLike[str], mode: str) -> Iterator[io.IOBase]:
        """Open a file to write it."""
        with _HashedFile(io.FileIO(path, mode), 1 << 20) as file:
            yield file
        self.files[Path(path).name] = {"bytes": file.size, "sha256": file.digest.hexdigest()}


class _HashedFile(io.BufferedWriter):
    def __init__(self, raw: io.RawIOBase, buffer_size: int) -> None:
        super().__init__(raw, buffer_size)
        self.size, self.digest = 0, hashlib.sha256()

    def write(self, data: Any) -> int:
        """Write as any file."""
        self.digest.update(data)
        self.size += memoryview(data).nbytes
        return super().write(data)
