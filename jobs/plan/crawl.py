"""What a recipe may say for crawl files besides paths and globs. Reads lists; asks servers for what is named singly.

    https://host/x.warc.gz   s3://bucket/x.warc.gz      one file
    a/warc.paths.gz          https://.../wet.paths.gz   a list of paths, local or remote: *.paths or *.paths.gz
    CC-MAIN-2024-10          CC-MAIN-2024-10:wet        the list of a dump's WARC (or WET) files in the archive
    CC-MAIN-2024-10[:10]     a/warc.paths[5::1000]      a part of a list, as Python cuts: start:stop:step

A line of a list is an address, or a path relative to the list's own folder. One that starts with `crawl-data/` is a
file of Common Crawl's archive: beside the list, if that lies below a `crawl-data` itself, else where the cluster file's
`crawl` says. The archive never changes, so its files are known by that path, wherever they are read: a dump read from a
mirror is the same dump, and 90,000 files are planned without a question to anybody.
"""

from __future__ import annotations

import gzip
import os
import re
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from stages.shared.contract import InputFile, input_file
from stages.shared.errors import ConfigError, DataError
from stages.shared.remote import fetch, is_remote, probe, shown

ARCHIVE = "crawl-data/"
DUMP = re.compile(r"CC-MAIN-\d{4}-\d\d(?!\d)")
DUMP_NAME = re.compile(rf"({DUMP.pattern})(?::(warc|wet|wat))?")
SUFFIXES = (".paths", ".paths.gz")
PART = re.compile(r"(.*)\[(-?\d*):(-?\d*)(?::(\d*))?\]", re.DOTALL)
MAX_LIST_BYTES = 64 << 20
LIST_REMEDY = "Want a text file, as it is or gzipped, with one path a line"


class Named(NamedTuple):
    """A file that a recipe names, and its identity if that is known without reading it."""

    file: InputFile
    identity: list[str] | None


def is_crawl_name(pattern: str) -> bool:
    """Return whether this is one of the forms above, rather than a path or glob."""
    name = _cut(pattern)[0]
    return is_remote(pattern) or bool(DUMP_NAME.fullmatch(name)) or name.endswith(SUFFIXES)


def crawl_files(pattern: str, source: str | None, setting: str, archive: str) -> list[Named]:
    """Return the files behind one of the forms above, in the order of the list; `archive` is the cluster's `crawl`.

    Raises ConfigError if there are none, DataError for a list that cannot be read or a file that a server refuses.
    """
    name, part = _cut(pattern)
    archive = archive.rstrip("/") + "/"
    if match := DUMP_NAME.fullmatch(name):
        name = f"{archive}{ARCHIVE}{match[1]}/{match[2] or 'warc'}.paths.gz"
    if not name.partition("?")[0].endswith(SUFFIXES):
        return [_single(pattern, source, setting)]
    if not is_remote(name):
        name = str(Path(name).expanduser().absolute())
    lines = _read_list(name)[part]
    if not lines:
        raise ConfigError(setting, pattern, "a list, or a part of one, that names files")
    beside, below, _ = name.rpartition(f"/{ARCHIVE}")
    bases = (f"{beside}/" if below else archive, name.rpartition("/")[0] + "/")
    found = [_listed(line, bases, source or dump_of(line) or _stem(name), name) for line in lines]
    _check_there(found, name)
    return found


def dump_of(where: str) -> str:
    """Return the dump that a path names: CC-MAIN-YYYY-WW, else the folder below `crawl-data`; "" if there is none."""
    if match := DUMP.search(where):
        return match[0]
    below = f"/{where}".partition(f"/{ARCHIVE}")[2].split("/")
    return below[0] if len(below) > 1 else ""


def _cut(pattern: str) -> tuple[str, slice]:
    """Return a list's name and the part of it that is wanted."""
    match = PART.fullmatch(pattern)
    if not match:
        return pattern, slice(None)
    return match[1], slice(*(int(number) if number else None for number in match.groups()[1:]))


def _single(url: str, source: str | None, setting: str) -> Named:
    if "*" in url.partition("?")[0]:
        raise ConfigError(
            setting, shown(url), "the address of one file: servers know no globs; a list of paths does it"
        )
    name = url.partition("?")[0]
    source = source or dump_of(name) or _stem(name)
    if below := name.partition(f"/{ARCHIVE}")[2]:
        return Named(input_file(url, source), [source, ARCHIVE + below])
    size, etag = probe(url)
    return Named(input_file(url, source, round((size or 0) / 1e6, 3)), [source, url, str(size), etag])


def _stem(name: str) -> str:
    return name.rpartition("/")[2].partition(".")[0]


def _read_list(name: str) -> list[str]:
    try:
        data = fetch(name, MAX_LIST_BYTES) if is_remote(name) else Path(name).read_bytes()
        if data.startswith(b"\x1f\x8b"):
            data = gzip.decompress(data)
        lines = [line.strip() for line in data.decode("utf-8").splitlines()]
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise DataError(shown(name), f"not a list of paths ({error})", LIST_REMEDY) from error
    return [line for line in lines if line and not line.startswith("#")]


def _listed(line: str, bases: tuple[str, str], source: str, name: str) -> Named:
    """Return the file of a line; `bases` are those of the archive's paths and of all other relative ones."""
    if is_remote(line):
        return Named(input_file(line, source), [source, line])
    if ".." in line.split("/") or (line.startswith("/") and is_remote(name)):
        raise DataError(shown(name), f"a path that leads out of its place: {line!r}", LIST_REMEDY)
    if line.startswith(ARCHIVE):
        return Named(input_file(bases[0] + line, source), [source, line])
    where = line if line.startswith("/") else bases[1] + line
    return Named(input_file(where, source), [source, where] if is_remote(where) else None)


def _check_there(found: Sequence[Named], name: str) -> None:
    """Look once into each local folder that a list names: cheaper than a question for each file."""
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
