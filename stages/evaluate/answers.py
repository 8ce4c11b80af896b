"""Keeps the answers to groups of requests on disk, so that a requeued unit continues at the next group."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from stages.shared.errors import Checkpointed


class Answers:
    """Answers to groups, by the digest of the group's content, in a file that grows by a line an answer."""

    def __init__(self, path: Path, identity: str, should_stop: Callable[[], bool], progress: Callable[[int], None]):
        """Load the answers of an earlier attempt from `path`; those of a model of another `identity` are not used."""
        self._path = path
        self._identity = identity
        self._should_stop = should_stop
        self._progress = progress
        self._known: dict[str, Any] = dict(_read(path))
        self._used = 0

    def ask(self, kind: str, rows: Sequence[Any], answer: Callable[[], Any]) -> Any:
        """Return the answer to a group: the kept one, else `answer()`, a JSON value, which is then kept.

        Raises Checkpointed instead of starting a group if the scheduler has asked to stop.
        """
        digest = hashlib.sha256(json.dumps([self._identity, kind, rows]).encode()).hexdigest()
        if digest not in self._known:
            if self._should_stop():
                raise Checkpointed
            self._known[digest] = answer()
            self._write(digest)
        self._used += 1
        self._progress(self._used)
        return self._known[digest]

    def _write(self, digest: str) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps([digest, self._known[digest]]) + "\n")
            file.flush()
            os.fsync(file.fileno())


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
