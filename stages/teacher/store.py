"""Answers on disk, by the digest of their request: an answer that was paid for once is never asked for again.

A store is a folder of JSONL files, one for each writer, [digest, answer] a line. A writer appends to its own file and
reads all. Copied to another machine the folder replays a run without the endpoint.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import BinaryIO

from stages.shared.errors import DataError
from stages.teacher.request import Answer

_REMEDY = "Remove the line, and its request is asked again"


def answers_folder(run_dir: Path, section: str) -> Path:
    """Return the folder in which a run keeps the answers for a section."""
    return run_dir / "answers" / section


class AnswerStore:
    """The answers of a folder. Memory: about 200 bytes an answer; texts stay on disk."""

    def __init__(self, folder: Path, writer: str) -> None:
        """Read the folder, which need not exist. `writer` names this process's file: no two may run at once.

        Side effect: cuts off half a line at the end of this writer's file, which a killed process leaves.
        """
        self.folder = folder
        self._path = folder / f"{writer}.jsonl"
        self._places: dict[bytes, tuple[Path, int]] = {}
        folder.mkdir(parents=True, exist_ok=True)
        for path in sorted(folder.glob("*.jsonl")):
            self._index(path)
        self._file: BinaryIO | None = None

    def _index(self, path: Path) -> None:
        end = 0
        with path.open("rb") as lines:
            for line in lines:
                if not line.endswith(b"\n"):
                    break
                self._places[_key(path, line)] = (path, end)
                end += len(line)
        if path == self._path:
            os.truncate(path, end)

    def __contains__(self, digest: str) -> bool:
        return bytes.fromhex(digest) in self._places

    def __len__(self) -> int:
        return len(self._places)

    def get(self, digest: str) -> Answer | None:
        """Return the answer to a request, or None. Raises DataError for a damaged line."""
        place = self._places.get(bytes.fromhex(digest))
        if place is None:
            return None
        path, start = place
        with path.open("rb") as file:
            file.seek(start)
            line = file.readline()
        try:
            return Answer(**json.loads(line)[1])
        except (ValueError, TypeError, IndexError) as error:
            raise DataError(path, f"no answer at byte {start} ({error})", _REMEDY) from error

    def put(self, digest: str, answer: Answer) -> None:
        """Keep an answer: a killed process does not lose it."""
        if self._file is None:
            self._file = self._path.open("ab")
        start = self._file.tell()
        record = [digest, {name: value for name, value in asdict(answer).items() if value is not None}]
        self._file.write(json.dumps(record, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n")
        self._file.flush()
        self._places[bytes.fromhex(digest)] = (self._path, start)

    def sync(self) -> None:
        """Wait until all answers are on the disk itself. Without it a power failure can cost the last ones."""
        if self._file is not None:
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Write what is left to the disk and close the file."""
        self.sync()
        if self._file is not None:
            self._file.close()


def _key(path: Path, line: bytes) -> bytes:
    """Return the digest that a line begins with: [\"0123...\", without reading the whole line as JSON."""
    try:
        return bytes.fromhex(line[2:66].decode("ascii"))
    except ValueError as error:
        raise DataError(path, f"not an answer: {line[:40]!r}", _REMEDY) from error
