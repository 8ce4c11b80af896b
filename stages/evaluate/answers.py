"""Splits requests into batches and keeps the answer of each on disk, so that a requeued unit continues at the next."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from stages.shared.errors import Checkpointed


def plan_batches(lengths: Sequence[int], batch_tokens: int) -> list[list[int]]:
    """Return the indices of the rows in batches, the longest rows first, so that a batch has little padding.

    A batch holds as many rows as fit into `batch_tokens` at the length of its longest row, and at least one. The
    batches depend on the lengths alone: equal requests make equal batches, and so equal bits.
    """
    batches: list[list[int]] = []
    room = 0
    for index in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        if room == 0:
            batches.append([])
            room = max(1, batch_tokens // max(1, lengths[index]))
        batches[-1].append(index)
        room -= 1
    return batches


class Answers:
    """Answers to batches, by the digest of the batch's content, in a file that grows by a line an answer."""

    def __init__(self, path: Path, identity: str, should_stop: Callable[[], bool], progress: Callable[[int], None]):
        """Load the answers of an earlier attempt from `path`; those of a model of another `identity` are not used."""
        self._path = path
        self._identity = identity
        self._should_stop = should_stop
        self._progress = progress
        self._known = dict(_read(path))
        self._used = 0

    def ask(self, kind: str, rows: Sequence[Any], answer: Callable[[], Any]) -> Any:
        """Return the answer to a batch: the kept one, else `answer()`, a JSON value, which is then kept.

        Raises Checkpointed instead of starting a batch if the scheduler has asked to stop.
        """
        digest = hashlib.sha256(json.dumps([self._identity, kind, rows]).encode()).hexdigest()
        if digest not in self._known:
            if self._should_stop():
                raise Checkpointed
            self._known[digest] = answer()
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps([digest, self._known[digest]]) + "\n")
                file.flush()
                os.fsync(file.fileno())
        self._used += 1
        self._progress(self._used)
        return self._known[digest]


def _read(path: Path) -> Iterator[tuple[str, Any]]:
    """Yield the entries of the file. Side effect: cuts off half a line at the end, which a killed attempt leaves."""
    if not path.exists():
        return
    with path.open("rb+") as file:
        for line in file:
            if not line.endswith(b"\n"):
                file.truncate(file.tell() - len(line))
                return
            digest, answer = json.loads(line)
            yield digest, answer
