"""Input files from outside the run: patterns to sorted lists of files, and the files' identities. Reads the disk.

The further forms of crawl files (URLs, lists, dumps) are in crawl.py.
"""

from __future__ import annotations

import glob
import hashlib
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from jobs.plan.crawl import Named, OnGuess, crawl_files, dump_of, is_crawl_name
from jobs.plan.graph import External
from stages.shared.contract import InputFile
from stages.shared.errors import ConfigError

WHOLE = 16 << 20
"""Files up to this many bytes are hashed whole, larger ones by size and three samples (head, middle, tail)."""
SAMPLE = 64 << 10
READERS = 16
"""Files hashed at once: a parallel file system answers many requests as fast as one."""


def external_files(
    value: Any, setting: str, archive: str | None = None, on_guess: OnGuess | None = None
) -> list[External]:
    """Return the files behind a path, glob, list, or mapping source -> any of these, sorted within each pattern.

    Relative patterns start at the working directory. With `archive` (the cluster file's `crawl`) these are crawl files:
    also URLs, lists of paths and names of dumps, but no folders; `on_guess` is as in crawl_files.

    Raises ConfigError for a pattern that matches nothing and for a file that no job could read.
    """
    parts = sorted(value.items()) if isinstance(value, dict) else [(None, value)]
    named = [each for source, part in parts for each in _expand(part, source, setting, archive, on_guess)]
    unknown = [each.file for each in named if each.identity is None]
    try:
        with ThreadPoolExecutor(READERS) as readers:
            digests = readers.map(file_identity, unknown)
            return [External(file, identity or next(digests)) for file, identity in named]
    except OSError as error:
        raise ConfigError(setting, error.filename, f"a file that this user can read ({error.strerror})") from error


def _expand(value: Any, source: str | None, setting: str, archive: str | None, on_guess: OnGuess | None) -> list[Named]:
    found: list[Named] = []
    for pattern in [value] if isinstance(value, str) else value:
        if is_crawl_name(pattern):
            if archive is None:
                raise ConfigError(setting, pattern, "a path or glob: URLs and lists of paths are for crawl files")
            found += crawl_files(pattern, source, setting, archive, on_guess)
            continue
        for match in _matches(pattern, setting):
            path = Path(match).absolute()
            mb = _size_mb(path, setting, may_be_folder=archive is None)
            dump = dump_of(str(path)) if archive is not None else ""
            found.append(Named(InputFile(path, source or dump or path.name.partition(".")[0], mb), None))
    return found


def _matches(pattern: str, setting: str) -> list[str]:
    path = Path(pattern).expanduser()
    try:
        matches = [str(path)] if path.exists() else sorted(glob.glob(str(path), recursive=True))  # noqa: PTH207  (pathlib cannot glob an absolute pattern)
    except OSError as error:
        raise ConfigError(setting, pattern, f"a folder that this user can list ({error.strerror})") from error
    if not matches:
        raise ConfigError(setting, pattern, f"a file that exists, or a glob that matches some (seen from {Path.cwd()})")
    return matches


def _size_mb(path: Path, setting: str, may_be_folder: bool) -> float:
    """Return a file's size in MB. Raises ConfigError for a pipe or device, and for a folder where none is read."""
    status = path.stat()
    if stat.S_ISDIR(status.st_mode) and not may_be_folder:
        raise ConfigError(setting, str(path), f"a file, not a folder; {path}/*.gz takes the files in it")
    if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
        raise ConfigError(setting, str(path), "a file that can be read twice, not a pipe or device")
    return round(status.st_size / 1e6, 3)


def file_identity(file: InputFile) -> list[str]:
    """Return [source, name, digest] of a local file or folder: of its content, not of its path or times."""
    if file.path.is_dir():
        parts = sorted(part for part in file.path.rglob("*") if part.is_file())
        digests = [[str(part.relative_to(file.path)), _digest(part)] for part in parts]
        return [file.source, file.path.name, hashlib.sha256(repr(digests).encode()).hexdigest()]
    return [file.source, file.path.name, _digest(file.path)]


def _digest(path: Path) -> str:
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
