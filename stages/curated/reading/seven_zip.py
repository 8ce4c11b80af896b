"""7z archives, unpacked as a stream by py7zr in a child process with a limit of memory.

py7zr writes where it is ordered to; a dictionary of gigabytes or a crafted header must not take the unit with it.
Run as a program it writes the content of the archive's first file to stdout.
"""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from stages.curated.items import Damaged

MEMORY_MB = 1500
"""Address space of the child. Stack Exchange's archives have dictionaries of up to 64 MB."""
CHUNK = 1 << 20
ROOT = Path(__file__).parents[3]


class _Pipe:
    """A file that py7zr writes to: stdout."""

    def __init__(self) -> None:
        self._size = 0

    def write(self, data: bytes) -> int:
        sys.stdout.buffer.write(data)
        self._size += len(data)
        return len(data)

    def read(self, size: int | None = None) -> bytes:
        return b""

    def seek(self, offset: int, whence: int = 0) -> int:
        return 0

    def flush(self) -> None:
        sys.stdout.buffer.flush()

    def close(self) -> None:
        self.flush()

    def size(self) -> int:
        return self._size


class _Pipes:
    """Makes the one file."""

    def create(self, filename: str) -> Any:
        return _Pipe()


def unpacked(path: Path, on_damage: Callable[[Damaged], None]) -> Iterator[bytes]:
    """Yield the content of the archive's first file, in pieces. Hands each damage to `on_damage`."""
    command = [sys.executable, "-m", "stages.curated.reading.seven_zip", str(path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdout is not None and child.stderr is not None
        try:
            while chunk := child.stdout.read(CHUNK):
                yield chunk
            words = child.stderr.read().decode(errors="replace").strip().splitlines()
            if child.wait():
                on_damage(Damaged("damaged_part", words[-1] if words else f"exit code {child.returncode}"))
        finally:
            child.kill()


def main(path: str) -> None:
    """Write the content of the archive's first file to stdout."""
    import py7zr  # noqa: PLC0415  (in the child alone)

    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_MB * 1_000_000, hard))
    with py7zr.SevenZipFile(path) as archive:
        names = [each.filename for each in archive.list() if not each.is_directory]
        posts = [name for name in names if name.rpartition("/")[2].lower() == "posts.xml"]
        archive.extract(targets=(posts or names)[:1], factory=_Pipes())
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main(sys.argv[1])
