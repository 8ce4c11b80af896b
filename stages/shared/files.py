"""Files that are either there in full or not there: atomic writes, JSON, digests."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from stages.shared.errors import ConfigError, JsonError, system_error

WHOLE = 16 << 20
"""Files up to this many bytes are digested whole by sampled_digest."""
SAMPLE = 64 << 10


def write_atomic(path: Path, data: bytes | str | Iterable[bytes]) -> None:
    """Write `data`, or its parts one after another, aside and rename it to `path`, flushed to disk first; readers see
    the old file or the new one.

    Raises OSError with the path as its filename, and what the parts raise.
    """
    parts = [data.encode()] if isinstance(data, str) else [data] if isinstance(data, bytes) else data
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.urandom(4).hex()}.tmp")
    try:
        with aside.open("xb") as file:  # x follows no link that somebody else has put there
            file.writelines(parts)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except FileExistsError:
        raise
    except BaseException as error:
        with contextlib.suppress(OSError):
            aside.unlink()
        if isinstance(error, OSError) and error.filename in (None, str(aside)):  # a full disk names no file
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


def write_json(path: Path, value: Any) -> None:
    """Write `value` as readable JSON with sorted keys, atomically."""
    write_atomic(path, json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n")


def read_json(path: Path) -> Any:
    """Return the JSON value in `path`. Raises JsonError, also for a pipe or device, which would be read for ever."""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
        is_file = stat.S_ISREG(os.fstat(file.fileno()).st_mode)
        raw = file.read() if is_file else b""
    try:
        return json.loads(raw)
    except (ValueError, RecursionError) as error:
        problem = f"not JSON ({error})" if raw else "the file is empty" if is_file else "not a file"
        raise JsonError(path, problem, "Restore the file, or remove it") from error


def read_tail(path: Path, num_bytes: int) -> str:
    """Return the end of a text, at most so many bytes; "" if there is none that this user can read, or no file."""
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                return ""
            file.seek(max(0, status.st_size - num_bytes))
            return file.read(num_bytes).decode(errors="replace")
    except OSError:
        return ""


def flush_tree(root: Path) -> None:
    """Wait until a file, or every file of a folder, is on disk, so that a rename cannot outlive the content."""
    for path in (root, *root.rglob("*")):
        if path.is_file():
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


def replace_dir(aside: Path, path: Path) -> None:
    """Make the folder `aside` become `path`; a leftover from a killed attempt at `path` is removed first."""
    if path.exists():
        shutil.rmtree(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    aside.rename(path)


def link(source: str | Path, target: str | Path) -> None:
    """Link a file; copy it where the file system has no links or the source lies on another one."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def sampled_digest(path: Path) -> str:
    """Return the hex digest of a file's size and content; of a large one, of three samples (head, middle, tail)."""
    size = path.stat().st_size
    digest = hashlib.blake2b(str(size).encode(), digest_size=16)
    with path.open("rb") as file:
        if size <= WHOLE:
            digest.update(file.read())
        else:
            for offset in (0, size // 2, size - SAMPLE):
                file.seek(offset)
                digest.update(file.read(SAMPLE))
    return digest.hexdigest()


def sha256_file(path: Path) -> str:
    """Return the hex SHA-256 of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def read_secret(setting: str, name: str) -> str:
    """Return the text of a file that its owner alone may read, without white space around it.

    Raises ConfigError, with `setting` and its value `name`, for a file that others may read.
    """
    path = Path(name).expanduser()
    try:
        with path.open(encoding="utf-8") as file:
            mode = os.fstat(file.fileno()).st_mode
            text = file.read().strip()
    except OSError as error:
        raise system_error(error) from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigError(setting, name, f"readable by its owner alone: chmod 600 {path}")
    return text
