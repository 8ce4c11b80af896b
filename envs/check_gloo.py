"""Check of gloo: two processes add two numbers over loopback. `launch.py doctor` runs it."""

from __future__ import annotations

import datetime
import sys

import torch
from torch import distributed
from torch.multiprocessing.spawn import start_processes


def rank(number: int, port: int) -> None:
    """Run one of the two processes."""
    limit = datetime.timedelta(seconds=30)
    distributed.init_process_group("gloo", f"tcp://127.0.0.1:{port}", limit, world_size=2, rank=number)
    value = torch.ones(1)
    distributed.all_reduce(value)
    distributed.destroy_process_group()
    if value.item() != 2:
        raise SystemExit(f"the sum of 1 and 1 over gloo is {value.item()}")


if __name__ == "__main__":
    start_processes(rank, (int(sys.argv[1]),), 2, start_method="spawn")
