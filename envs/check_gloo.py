"""A check of gloo, run by `launch.py doctor`: two processes connect over loopback and add two numbers."""

from __future__ import annotations

import datetime
import multiprocessing
import sys

import torch
from torch import distributed


def rank(number: int, port: int) -> None:
    """Run one of the two processes. Exits with a message if the sum is wrong."""
    limit = datetime.timedelta(seconds=30)
    distributed.init_process_group("gloo", f"tcp://127.0.0.1:{port}", limit, world_size=2, rank=number)
    value = torch.ones(1)
    distributed.all_reduce(value)
    distributed.destroy_process_group()
    if value.item() != 2:
        raise SystemExit(f"the sum of 1 and 1 over gloo is {value.item()}")


if __name__ == "__main__":
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=rank, args=(number, int(sys.argv[1]))) for number in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    sys.exit(any(process.exitcode for process in processes))
