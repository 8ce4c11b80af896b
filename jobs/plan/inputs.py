"""Input files from outside the run: patterns to sorted lists of files. Reads the disk.

The further forms of crawl files (URLs, lists, dumps) are in crawl.py.
"""

from __future__ import annotations

import glob
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from jobs.plan.crawl import Named, OnGuess, crawl_files, dump_of, is_crawl_name
from jobs.plan.graph import External
from jobs.plan.identity import READERS, file_identity, is_cache
from jobs.plan.validation import at_home
from stages.shared.contract import InputFile
from stages.shared.errors import ConfigError, DataError
from stages.shared.remote import RemoteError


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
            try:
                found += crawl_files(pattern, source, setting, archive, on_guess)
            except (DataError, RemoteError) as error:  # about the file; here is who named it
                error.args = (f"{setting}: {error}",)
                raise
            continue
        for match in _matches(pattern, setting):
            path = Path(match).absolute()
            mb = _size_mb(path, setting, may_be_folder=archive is None)
            dump = dump_of(str(path)) if archive is not None else ""
            found.append(Named(InputFile(path, source or dump or path.name.partition(".")[0], mb), None))
    return found


def _matches(pattern: str, setting: str) -> list[str]:
    path = at_home(pattern, setting)
    try:
        os.lstat(path)
        matches = [str(path)]
    except (FileNotFoundError, NotADirectoryError):
        found = glob.glob(str(path), recursive=True)  # noqa: PTH207  (pathlib cannot glob an absolute pattern)
        matches = sorted(match for match in found if not is_cache(Path(match)))
    except OSError as error:
        raise ConfigError(setting, pattern, f"a folder that this user can list ({error.strerror})") from error
    if not matches:
        raise ConfigError(setting, pattern, f"a file that exists, or a glob that matches some (seen from {Path.cwd()})")
    return matches


def _size_mb(path: Path, setting: str, may_be_folder: bool) -> float:
    """Return a file's size in MB.

    Raises ConfigError for a link to nothing, a name that is no UTF-8, a pipe or device, and for a folder where none is
    read.
    """
    try:
        str(path).encode()
        status = path.stat()
    except UnicodeEncodeError as error:
        raise ConfigError(setting, str(path), "files whose names are UTF-8: rename it") from error
    except OSError as error:
        wanted = f"a file that this user can read ({error.strerror})"
        if path.is_symlink():
            wanted = f"a file, or a link to one: this link's target {path.readlink()} is missing"
        raise ConfigError(setting, str(path), wanted) from error
    if stat.S_ISDIR(status.st_mode) and not may_be_folder:
        raise ConfigError(setting, str(path), f"a file, not a folder; {path}/*.gz takes the files in it")
    if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
        raise ConfigError(setting, str(path), "a file that can be read twice, not a pipe or device")
    return round(status.st_size / 1e6, 3)
