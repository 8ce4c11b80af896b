"""The server that forks ranks for tests, one for each process of tests: it has imported what ranks import.

A process of tests has one server, and the first start settles what that imports. So this list is for all of them.
"""

from __future__ import annotations

from multiprocessing import get_context
from multiprocessing.context import ForkServerContext

PRELOADED = [
    "stages.align.dpo.run",
    "stages.align.ppo.run",
    "stages.align.reward.run",
    "stages.align.sft.run",
    "stages.evaluate.evaluation",
    "stages.pretrain.run",
    "stages.train.engines.deepspeed",
    "stages.vision.contrastive.run",
    "stages.vision.qformer.run",
    "tests.stages.train.ranking",
    "tests.stages.train.ranks",
]


def fork_server() -> ForkServerContext:
    """Return the context whose processes are forked from the server."""
    server = get_context("forkserver")
    server.set_forkserver_preload(PRELOADED)
    return server
