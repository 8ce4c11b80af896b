"""Batches of requests, answered one by one and kept on disk, so that a requeued element goes on where it stopped."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from stages.shared.errors import Checkpointed

Row = TypeVar("Row")


def plan_batches(lengths: Sequence[int], batch_tokens: int) -> list[list[int]]:
    """Return the rows' indices in batches, longest rows first, so that a batch's padding is small.

    A batch holds as many rows as fit into `batch_tokens` at its longest row's length, and at least one. The plan
    depends on the lengths alone: the same requests make the same batches, and so the same bits.
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
    """Answers to batches by the digest of their content, appended to a file as they come."""

    def __init__(self, path: Path, identity: str, should_stop: Callable[[], bool], progress: Callable[[int], None]):
        """Read what an earlier attempt left in `path`; `identity` names the model: another's answers never match."""
        self._path = path
        self._identity = identity
        self._should_stop = should_stop
        self._progress = progress
        self._known = dict(_read(path))
        self._used = 0

    def ask(self, kind: str, rows: Sequence[Any], answer: Callable[[], Any]) -> Any:
        """Return the answer to this batch: the kept one, or `answer()`, which is JSON-able and kept from now on.

        Raises Checkpointed instead of starting a new batch once the scheduler has asked to stop.
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
    """Yield the whole lines of the file; a killed attempt may have left half a line at its end."""
    if not path.exists():
        return
    with path.open("rb+") as file:
        for line in file:
            if not line.endswith(b"\n"):
                file.truncate(file.tell() - len(line))
                return
            digest, answer = json.loads(line)
            yield digest, answer
