"""What DeepSpeed's stages cost: CPU time of a rank for a step, beside Megatron's, in alternation.

    python -m tests.bench.zero [bf16]

Two data parallel ranks of one thread, 7.3 M parameters, two microbatches of 4 x 128 tokens a step. CPU time, not the
clock's: other work on the machine disturbs it less. What is kept in the host's memory is copied here all the same.
"""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Iterator
from statistics import median
from typing import Any

import torch
import torch.distributed as dist
from torch.multiprocessing import spawn

from stages.model import parallel
from stages.pretrain.config import PretrainConfig
from stages.shared.task import Ranks
from stages.train.engine import Engine
from stages.train.objectives.base import Batch
from tests.stages.train.engines.single import next_token, single

MODEL = {"num_layers": 8, "dim": 256, "num_heads": 8, "num_kv_heads": 4, "ffn_dim": 768, "seq_len": 128}
VOCABULARY, STEPS = 2048, 7
CASES: dict[str, dict[str, Any]] = {
    "megatron": {},
    **{f"ZeRO-{zero}": {"engine": "deepspeed", "layout": {"zero": zero}} for zero in (1, 2, 3)},
    "ZeRO-1, optimizer on the host": {"engine": "deepspeed", "layout": {"zero": 1, "offload": ["optimizer"]}},
    "ZeRO-3, all on the host": {"engine": "deepspeed", "layout": {"zero": 3, "offload": ["optimizer", "weights"]}},
}


def measure(rank: int, port: int, dtype: str) -> None:
    """Be one of two ranks; the first prints the table."""
    torch.set_num_threads(1)
    parallel.start(Ranks(rank=rank, world_size=2, local_rank=rank, master_port=port))
    engines = {name: _engine(case, dtype) for name, case in CASES.items()}
    seconds: dict[str, list[float]] = {name: [] for name in engines}
    for step in range(STEPS):
        for name, engine in engines.items():
            dist.barrier()
            began = time.process_time()
            engine.accumulate(next_token(), _batches(2 * step + rank), 2)
            engine.gradient_norm()
            engine.update(1e-3)
            seconds[name].append(time.process_time() - began)
    for name, measured in seconds.items() if rank == 0 else ():
        ratio = median(measured) / median(seconds["megatron"])
        print(f"{dtype} {name}: {median(measured):.2f} s, {ratio:.2f} of Megatron's", flush=True)


def _engine(case: dict[str, Any], dtype: str) -> Engine:
    settings = {"model": MODEL, "microbatch": 4, "global_batch": 16, "dtype": dtype, **case}
    settings["layout"] = {"dp": 2, **case.get("layout", {})}
    return single(PretrainConfig(tokens="x", tokenizer="x", **settings), vocab_size=VOCABULARY)


def _batches(seed: int) -> Iterator[Batch]:
    generator = torch.Generator().manual_seed(seed)
    for _ in range(2):
        tokens = torch.randint(VOCABULARY, (4, 129), generator=generator)
        places = torch.arange(128).expand(4, 128)
        columns = {"tokens": tokens[:, :-1], "labels": tokens[:, 1:], "position_ids": places}
        yield columns | {"loss_mask": torch.ones(4, 128)}


if __name__ == "__main__":
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free = probe.getsockname()[1]
    spawn(measure, (free, sys.argv[1] if len(sys.argv) > 1 else "fp32"), nprocs=2)
