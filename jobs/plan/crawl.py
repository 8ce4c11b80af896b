"""Crawl files in a recipe, besides paths and globs: URLs, lists of paths, dumps of Common Crawl, and parts of lists.

    https://host/x.warc.gz   s3://bucket/x.warc.gz      one file
    a/warc.paths.gz          https://.../wet.paths.gz   a list of paths, local or remote: *.paths or *.paths.gz
    CC-MAIN-2024-10          CC-MAIN-2024-10:wet        the list of a dump's WARC (or WET) files in the archive
    CC-MAIN-2024-10[:10]     a/warc.paths[5::1000]      a part of a list, cut as in Python: start:stop:step

Reads lists; asks a server about a file only if the recipe names that file's URL. A line of a list is a URL, or a path
relative to the list's own folder. A line that starts with `crawl-data/` is a file of Common Crawl's archive: beside the
list if the list itself is below a `crawl-data`, else at the cluster file's `crawl`. The archive never changes, so this
path is the file's identity, wherever it is read: a dump read from a mirror is the same dump, and 90,000 files are
planned without one request for them.
"""

from __future__ import annotations

import gzip
import os
import re
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from jobs.plan.validation import at_home
from stages.shared.contract import InputFile, input_file
from stages.shared.errors import ConfigError, DataError
from stages.shared.remote import LAUNCHER, Patience, RemoteError, fetch, is_remote, probe, shown

ARCHIVE = "crawl-data/"
DUMP = re.compile(r"CC-MAIN-\d{4}-\d\d(?!\d)")
DUMP_NAME = re.compile(rf"({DUMP.pattern})(?::(warc|wet|wat))?")
SUFFIXES = (".paths", ".paths.gz")
PART = re.compile(r"(.*)\[(-?\d*):(-?\d*)(?::(\d*))?\]", re.DOTALL)
MAX_LIST_BYTES = 64 << 20
LIST_REMEDY = "Give a text file, plain or gzipped, with one path a line"
DUMP_FILES = 90_000
"""Files of each kind in a recent dump. Older dumps have fewer: CC-MAIN-2016-40 has 30,374 (commoncrawl.org's table)."""
DUMP_FILE_MB = {"warc": 1000.0, "wat": 350.0, "wet": 160.0}
"""Size of one of them: CC-MAIN-2016-40 has 28.94, 10.35 and 4.54 TiB in 30,374 files each (the same table)."""
GUESSING = Patience(attempts=2, longest_wait_s=1.0, timeout_s=5.0, start_delay_s=0.0)
"""Patience where a guess can take the list's place."""

OnGuess = Callable[[str], None]
"""Called with one sentence for each list that is guessed because it cannot be fetched."""


class Named(NamedTuple):
    """A file that a recipe names, and its identity if that is known without reading the file."""

    file: InputFile
    identity: list[str] | None


def is_crawl_name(pattern: str) -> bool:
    """Return whether this is one of the forms above, rather than a path or glob."""
    name = _cut(pattern)[0]
    return is_remote(pattern) or bool(DUMP_NAME.fullmatch(name)) or name.endswith(SUFFIXES)


def crawl_files(
    pattern: str, source: str | None, setting: str, archive: str, on_guess: OnGuess | None = None
) -> list[Named]:
    """Return the files behind one of the forms above, in the order of the list; `archive` is the cluster's `crawl`.

    With `on_guess`, a dump whose list cannot be fetched has DUMP_FILES files of made-up paths: good for a plan, not for
    a run. Raises ConfigError for a form that names no files, DataError for a list that cannot be read, or a file that a
    server refuses.
    """
    name, part = _cut(pattern)
    if part.step == 0:
        raise ConfigError(setting, pattern, "a part with a step of at least 1, such as [::10]")
    archive = archive.rstrip("/") + "/"
    dump = DUMP_NAME.fullmatch(name)
    if dump:
        name = f"{archive}{ARCHIVE}{dump[1]}/{dump[2] or 'warc'}.paths.gz"
    if not name.partition("?")[0].endswith(SUFFIXES):
        return [_single(pattern, source, setting)]
    if not is_remote(name):
        name = str(at_home(name, setting).absolute())
    lines, mb = _lines(name, dump, on_guess)
    lines = lines[part]
    if not lines:
        raise ConfigError(setting, pattern, "a list, or a part of one, that names files")
    beside, below, _ = name.rpartition(f"/{ARCHIVE}")
    bases = (f"{beside}/" if below else archive, name.rpartition("/")[0] + "/")
    found = [_listed(line, bases, source or dump_of(line) or _stem(name), name, mb) for line in lines]
    _check_there(found, name)
    return found


def _lines(name: str, dump: re.Match[str] | None, on_guess: OnGuess | None) -> tuple[list[str], float]:
    """Return the lines of a list and the size of a file in MB, 0 if unknown."""
    if dump is None or on_guess is None:
        return _read_list(name, LAUNCHER), 0.0
    try:
        return _read_list(name, GUESSING), 0.0
    except RemoteError as error:
        kind = dump[2] or "warc"
        mb = DUMP_FILE_MB[kind]
        reason = getattr(error.__cause__, "reason", None) or error.__cause__ or error
        on_guess(
            f"planned from {DUMP_FILES:,} files of about {mb:,.0f} MB: "
            f"the path list of {dump[0]} could not be fetched ({reason})"
        )
        return [f"{ARCHIVE}{dump[1]}/unlisted/{kind}/{n:05d}.{kind}.gz" for n in range(DUMP_FILES)], mb


def dump_of(where: str) -> str:
    """Return the dump in a path: CC-MAIN-YYYY-WW, else the folder below `crawl-data`; "" if there is none."""
    if match := DUMP.search(where):
        return match[0]
    below = f"/{where}".partition(f"/{ARCHIVE}")[2].split("/")
    return below[0] if len(below) > 1 else ""


def _cut(pattern: str) -> tuple[str, slice]:
    """Return the name of a list, and the part of it that the pattern asks for."""
    match = PART.fullmatch(pattern)
    if not match:
        return pattern, slice(None)
    return match[1], slice(*(int(number) if number else None for number in match.groups()[1:]))


def _single(url: str, source: str | None, setting: str) -> Named:
    if "*" in url.partition("?")[0]:
        raise ConfigError(
            setting, shown(url), "the URL of one file: servers have no globs; name a list of paths instead"
        )
    name = url.partition("?")[0]
    if not name.partition("://")[2].partition("/")[0]:
        raise ConfigError(setting, shown(url), "a URL with a host")
    source = source or dump_of(name) or _stem(name)
    if below := name.partition(f"/{ARCHIVE}")[2]:
        return Named(input_file(url, source), [source, ARCHIVE + below])
    size, etag = probe(url)
    return Named(input_file(url, source, round((size or 0) / 1e6, 3)), [source, url, str(size), etag])


def _stem(name: str) -> str:
    return name.rpartition("/")[2].partition(".")[0]


def _read_list(name: str, patience: Patience) -> list[str]:
    try:
        data = fetch(name, MAX_LIST_BYTES, patience) if is_remote(name) else _local_list(Path(name))
        if data.startswith(b"\x1f\x8b"):
            data = gzip.decompress(data)
        lines = [line.strip() for line in data.decode("utf-8").splitlines()]
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise DataError(shown(name), f"not a list of paths ({error})", LIST_REMEDY) from error
    return [line for line in lines if line and not line.startswith("#")]


def _local_list(path: Path) -> bytes:
    if path.exists() and not path.is_file():
        raise DataError(path, "not a list of paths, for it is no file", LIST_REMEDY)
    return path.read_bytes()


def _listed(line: str, bases: tuple[str, str], source: str, name: str, mb: float) -> Named:
    """Return the file of a line; `bases` are the base of the archive's paths and the base of other relative paths."""
    if is_remote(line):
        return Named(input_file(line, source), [source, line])
    if ".." in line.split("/") or (line.startswith("/") and is_remote(name)):
        raise DataError(shown(name), f"the path {line!r} leads out of the list's folder", LIST_REMEDY)
    if line.startswith(ARCHIVE):
        return Named(input_file(bases[0] + line, source, mb), [source, line])
    where = line if line.startswith("/") else bases[1] + line
    return Named(input_file(where, source), [source, where] if is_remote(where) else None)


def _check_there(found: Sequence[Named], name: str) -> None:
    """Check that the local files exist, with one listing a folder: cheaper than one request a file."""
    local = [named.file.path for named in found if not named.file.url]
    there = {folder: _names_in(folder) for folder in {path.parent for path in local}}
    if missing := [path for path in local if path.name not in there[path.parent]]:
        problem = f"names {len(missing)} files that are not there, such as {missing[0]}"
        raise DataError(shown(name), problem, "Copy them, or take a part of the list, such as [:10]")


def _names_in(folder: Path) -> set[str]:
    try:
        with os.scandir(folder) as entries:
            return {entry.name for entry in entries}
    except (FileNotFoundError, NotADirectoryError):
        return set()
    except OSError as error:
        raise DataError(folder, f"unreadable ({error.strerror})", "Check the cluster file's `crawl`") from error
