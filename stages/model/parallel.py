"""Process groups: where a process stands among tensor, pipeline and data parallel ranks."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from datetime import timedelta

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
"""How long a collective waits for a silent peer before it fails; a dead peer fails it at once."""


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """How many processes share what; data parallelism takes those that tp x pp x cp leaves."""

    tp: int = 1
    pp: int = 1
    interleave: int = 1
    """Parts of the model that each pipeline stage holds."""
    cp: int = 1
    ep: int = 1
    """Of the processes of data and context parallelism."""


def start(ranks: Ranks, sizes: Sizes | None = None, *, seed: int = 0) -> None:
    """Join the job's processes: NCCL where there is CUDA, gloo elsewhere. None: each holds the whole model.

    A single process meets nobody and opens no port. Safe to call again for a single process: the second call finds
    the first one's groups. Raises ConfigError for context parallelism without what it is made of.

    Side-effect: torch's default process group, Megatron's parallel state and RNG tracker, a warnings filter.
    """
    sizes = sizes or Sizes()
    if sizes.cp > 1 and not has_transformer_engine():
        raise ConfigError("layout.cp", sizes.cp, "1 where there is no CUDA device or no Transformer Engine")
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
    dist.init_process_group(backend, store=_store(ranks), rank=ranks.rank, world_size=ranks.world_size, timeout=TIMEOUT)
    parallel_state.initialize_model_parallel(
        tensor_model_parallel_size=sizes.tp,
        pipeline_model_parallel_size=sizes.pp,
        virtual_pipeline_model_parallel_size=sizes.interleave if sizes.interleave > 1 else None,
        context_parallel_size=sizes.cp,
        expert_model_parallel_size=sizes.ep,
        create_gloo_process_groups=False,
    )
    model_parallel_cuda_manual_seed(seed)


def has_transformer_engine() -> bool:
    """Return whether Transformer Engine's blocks can be used: it is installed, and there is CUDA."""
    return HAVE_TE and torch.cuda.is_available()


def _store(ranks: Ranks) -> Store:
    if ranks.world_size == 1:
        return HashStore()
    return TCPStore(
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
