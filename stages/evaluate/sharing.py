"""Sharing of answers between checkpoints with equal weights, such as `final` and `best`: the model answers once.

The answers of a model to a task lie in a file that the units of the step share, under a lock. A unit whose checkpoint
has other weights or another tokenizer has another file. Each unit writes results of its own, under its own name.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any

from stages.model.checkpoint.reading import weights_digest
from stages.model.checkpoint.settings import read_settings
from stages.shared import log
from stages.shared.errors import Checkpointed
from stages.shared.task import Task

WAIT_S = 0.5
"""Seconds between two looks at a lock that another unit holds."""


@lru_cache(maxsize=1)  # it reads all weights, and the units of an element ask for one checkpoint in turn
def model_digest(checkpoint: Path) -> str:
    """Return the digest of what a checkpoint answers with: weights, model and tokenizer, without name and step."""
    settings = read_settings(checkpoint)
    model = {**asdict(settings), "config": settings.config.model_dump(), "step": None}
    weights = weights_digest(checkpoint, settings.config.used_rows(settings.vocab_size))
    return hashlib.sha256(json.dumps([weights, model], sort_keys=True).encode()).hexdigest()


@contextmanager
def answers_file(task: Task[Any], model: str, name: str) -> Iterator[Path]:
    """Yield the file of the answers that a model, by its digest, gives to a task. No other process uses it meanwhile.

    Waits while another unit answers. That one's end, even by a kill, frees the file, and what it has answered is kept.
    Raises Checkpointed if the scheduler asks to stop meanwhile.
    """
    path = task.shared / hashlib.sha256(f"{model} {name}".encode()).hexdigest() / "answers.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    with (path.parent / "lock").open("a") as lock:
        yield path if _is_locked(lock.fileno(), task) else task.work / path.name


def _is_locked(lock: int, task: Task[Any]) -> bool:
    """Wait for a lock; return False where the file system has none (Lustre, unless mounted with -o flock)."""
    waits = False
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if not waits:
                log.info(f"{task.unit}: waits for another unit with the same weights")
            waits = True
        except OSError as error:
            log.info(f"{task.unit}: shares no answers ({os.strerror(error.errno or 0)})")
            return False
        if task.should_stop():
            raise Checkpointed
        time.sleep(WAIT_S)
