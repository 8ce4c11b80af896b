"""Ranks of one group over gloo, each a process of its own."""

from __future__ import annotations

import gc
import socket
from collections.abc import Callable, Sequence
from typing import Any

import torch

from stages.shared.task import Ranks
from tests.stages.forks import fork_server

TIMEOUT_S = 120


def run_ranks(count: int, target: Callable[..., None], *given: Any) -> Sequence[int]:
    """Call `target(ranks, *given)` in each of `count` processes; return their exit codes, as subprocess has them."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = fork_server()
    places = [Ranks(rank=rank, world_size=count, local_rank=rank, master_port=port) for rank in range(count)]
    processes: list[Any] = [server.Process(target=_run, args=(target, place, *given)) for place in places]
    for process in processes:
        process.start()
    for process in processes:
        process.join(TIMEOUT_S)
        process.kill()
    return [process.exitcode for process in processes]


def _run(target: Callable[..., None], ranks: Ranks, *given: Any) -> None:
    gc.freeze()  # as in tests/stages/train/ranks.py
    torch.set_num_threads(1)
    target(ranks, *given)
