"""Process groups: where a process stands among tensor, pipeline and data parallel ranks."""

from __future__ import annotations

import warnings
from datetime import timedelta

import torch
import torch.distributed as dist
from megatron.core import parallel_state
from megatron.core.tensor_parallel.random import model_parallel_cuda_manual_seed

from stages.model import device
from stages.shared.contract import Ranks

TIMEOUT = timedelta(minutes=10)
"""How long a collective waits for a silent peer before it fails; a dead peer fails it at once."""


def start(ranks: Ranks, *, tp: int = 1, pp: int = 1, ep: int = 1, seed: int = 0) -> None:
    """Join the job's processes: NCCL where there is CUDA, gloo elsewhere; data parallelism takes what TP x PP leaves,
    and expert parallelism a part of that.

    A single process meets nobody and opens no port. Safe to call again for a single process: the second call finds
    the first one's groups.

    Side-effect: torch's default process group, Megatron's parallel state and RNG tracker, a warnings filter.
    """
    if dist.is_initialized():
        if ranks.world_size == dist.get_world_size() == 1:
            return
        raise RuntimeError(f"this process already belongs to a group of {dist.get_world_size()}")
    # Megatron 0.16 calls torch 2.13's collectives by their old names; one line a call site and rank says so.
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"torch\.distributed")
    device.install()
    if torch.cuda.is_available():
        torch.cuda.set_device(ranks.local_rank)
    backend = "nccl" if torch.cuda.is_available() else "gloo"
    place = {"rank": ranks.rank, "world_size": ranks.world_size, "timeout": TIMEOUT}
    if ranks.world_size == 1:
        dist.init_process_group(backend, store=dist.HashStore(), **place)
    else:
        dist.init_process_group(backend, store=_store(ranks), **place)
    parallel_state.initialize_model_parallel(
        tensor_model_parallel_size=tp,
        pipeline_model_parallel_size=pp,
        expert_model_parallel_size=ep,
        create_gloo_process_groups=False,
    )
    model_parallel_cuda_manual_seed(seed)


def _store(ranks: Ranks) -> dist.TCPStore:
    return dist.TCPStore(
        ranks.master_addr,
        ranks.master_port,
        ranks.world_size,
        is_master=ranks.rank == 0,
        timeout=TIMEOUT,
        master_listen_fd=ranks.listen_fd,
    )


def stop() -> None:
    """Leave the groups that `start` joined."""
    parallel_state.destroy_model_parallel()
    if dist.is_initialized():
        dist.destroy_process_group()
