"""Ranks of one group over gloo, each a process of its own."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from multiprocessing import get_context
from typing import Any

import torch

from stages.shared.task import Ranks

TIMEOUT_S = 120
PRELOADED = ["stages.evaluate.evaluation"]
"""Modules that processes share with the server that forks them."""


def run_ranks(count: int, target: Callable[..., None], *given: Any) -> Sequence[int]:
    """Call `target(ranks, *given)` in each of `count` processes; return their exit codes, as subprocess has them."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = get_context("forkserver")
    server.set_forkserver_preload(PRELOADED)
    places = [Ranks(rank=rank, world_size=count, local_rank=rank, master_port=port) for rank in range(count)]
    processes: list[Any] = [server.Process(target=_run, args=(target, place, *given)) for place in places]
    for process in processes:
        process.start()
    for process in processes:
        process.join(TIMEOUT_S)
        process.kill()
    return [process.exitcode for process in processes]


def _run(target: Callable[..., None], ranks: Ranks, *given: Any) -> None:
    torch.set_num_threads(1)
    target(ranks, *given)
