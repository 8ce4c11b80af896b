"""Process groups: where a process stands among tensor, pipeline and data parallel ranks."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from megatron.core import parallel_state
from megatron.core.extensions.transformer_engine import HAVE_TE
from megatron.core.tensor_parallel.random import model_parallel_cuda_manual_seed
from torch._C._distributed_c10d import HashStore, Store, TCPStore

from stages.model import device
from stages.shared.errors import ConfigError
from stages.shared.task import Ranks

TIMEOUT = timedelta(minutes=10)
"""Time that a collective waits for a silent peer before it fails. With gloo a dead peer fails it at once; NCCL's
watchdog waits for the time."""
_PATIENCE = timedelta(days=7)
"""Time that ranks wait for work that rank 0 does alone, such as a digest of a terabyte of weights."""


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Sizes of the parallelisms; data parallelism takes the processes that tp x pp x cp leaves."""

    tp: int = 1
    pp: int = 1
    interleave: int = 1
    """Parts of the model that each pipeline stage holds."""
    cp: int = 1
    ep: int = 1
    """Of the processes of data and context parallelism."""


@dataclass
class _Joined:
    """What `start` has joined, besides torch's default group and Megatron's."""

    objects: dist.ProcessGroup | None = None
    """All ranks over gloo; None: the default group is gloo, or of one process."""
    patient: dist.ProcessGroup | None = None
    """All ranks over gloo, for long waits."""
    sizes: Sizes = field(default_factory=Sizes)


_joined = _Joined()


def start(ranks: Ranks, sizes: Sizes | None = None, *, seed: int = 0, timeout: timedelta = TIMEOUT) -> None:
    """Join the job's processes: NCCL where there is CUDA, gloo elsewhere. None: each holds the whole model.

    A single process opens no port. Safe to call again with the same sizes: the second call finds the first one's
    groups. Raises ConfigError for context parallelism without what it is made of.

    Side effect: torch's default process group, Megatron's parallel state and RNG tracker, a warnings filter.
    """
    sizes = sizes or Sizes()
    if sizes.cp > 1 and not has_transformer_engine():
        raise ConfigError("layout.cp", sizes.cp, "1 where there is no CUDA device or no Transformer Engine")
    if dist.is_initialized():
        if ranks.world_size == dist.get_world_size() and sizes == _joined.sizes:
            return
        raise RuntimeError(f"this process already belongs to a group of {dist.get_world_size()}")
    # Megatron 0.16 calls torch 2.13's collectives by their old names; one line a call site and rank says so.
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"torch\.distributed")
    device.install()
    if torch.cuda.is_available():
        # Slurm may show each process its own GPU alone, which is then number 0.
        torch.cuda.set_device(ranks.local_rank % torch.cuda.device_count())
    backend = "nccl" if torch.cuda.is_available() else "gloo"
    store = _store(ranks, timeout)
    dist.init_process_group(backend, store=store, rank=ranks.rank, world_size=ranks.world_size, timeout=timeout)
    if ranks.world_size > 1:
        _joined.objects = dist.new_group(backend="gloo", timeout=timeout) if backend == "nccl" else None
        _joined.patient = dist.new_group(backend="gloo", timeout=_PATIENCE)
    parallel_state.initialize_model_parallel(
        tensor_model_parallel_size=sizes.tp,
        pipeline_model_parallel_size=sizes.pp,
        virtual_pipeline_model_parallel_size=sizes.interleave if sizes.interleave > 1 else None,
        context_parallel_size=sizes.cp,
        expert_model_parallel_size=sizes.ep,
        create_gloo_process_groups=False,
    )
    model_parallel_cuda_manual_seed(seed)
    _joined.sizes = sizes


def host_group() -> dist.ProcessGroup | None:
    """Return the group of all ranks for collectives of Python objects: through NCCL they would take the GPU's memory,
    every rank's at once.
    """
    return _joined.objects


def is_first() -> bool:
    """Return whether this process is rank 0, or in no group."""
    return not dist.is_initialized() or dist.get_rank() == 0


def agree(value: Any, *, patiently: bool = False) -> Any:
    """Return rank 0's value on every rank. Collective; a process in no group is alone.

    With `patiently` the others wait for as long as rank 0 lives: it may take hours to have the value.
    """
    if not dist.is_initialized() or dist.get_world_size() == 1:
        return value
    box = [value]
    dist.broadcast_object_list(box, src=0, group=_joined.patient if patiently else _joined.objects)
    return box[0]


def wait_for_all() -> None:
    """Wait until every rank is here, for as long as the ranks live. Collective."""
    dist.barrier(group=_joined.patient)


def has_transformer_engine() -> bool:
    """Return whether Transformer Engine's blocks can be used: it is installed, and there is CUDA."""
    return HAVE_TE and torch.cuda.is_available()


def _store(ranks: Ranks, timeout: timedelta) -> Store:
    if ranks.world_size == 1:
        return HashStore()
    return TCPStore(
        ranks.master_addr,
        ranks.master_port,
        ranks.world_size,
        is_master=ranks.rank == 0,
        timeout=timeout,
        master_listen_fd=ranks.listen_fd,
    )


def stop() -> None:
    """Leave the groups that `start` joined."""
    parallel_state.destroy_model_parallel()
    _joined.objects, _joined.patient, _joined.sizes = None, None, Sizes()
    if dist.is_initialized():
        dist.destroy_process_group()
