"""Files of code out of what holds them: git repositories, source trees, archives and rows of The Stack."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from stages.curated.items import Damaged, Dropped
from stages.curated.reading.archives import Member, members

LICENCES = ("max_stars_repo_licenses", "licenses", "license", "detected_licenses")
PATHS = ("max_stars_repo_path", "path")
REPOSITORIES = ("max_stars_repo_name", "repository_name", "repo_name")
BATCH = 256
GIT = (
    "git", "-c", "safe.directory=*", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null",
    "-c", "protocol.allow=never",
)  # fmt: skip
"""A repository's own settings start no program and fetch nothing."""
ENVIRONMENT = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_NO_LAZY_FETCH": "1", "LC_ALL": "C",
               "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0"}  # fmt: skip


class File(NamedTuple):
    """A file of code."""

    path: str
    data: bytes
    repository: str = ""
    licences: tuple[str, ...] = ()
    """As rows name them."""


Read = Iterator[File | Dropped]


def files_in(path: Path, limit: int, on_damage: Callable[[Damaged], None], wanted: Callable[[str], bool]) -> Read:
    """Yield the files of a repository, tree, archive or table that are wanted by their path; those of more than `limit`
    bytes dropped.
    """
    if path.is_dir():
        root = _git_folder(path)
        yield from _git_files(root, limit, on_damage, wanted) if root else _tree_files(path, limit, wanted)
    elif path.suffix == ".parquet":
        yield from _rows(path, limit, on_damage, wanted)
    else:
        for found in members(path, limit, on_damage, wanted):
            yield File(found.name, found.data) if isinstance(found, Member) else found


def _git_folder(path: Path) -> Path | None:
    if (path / ".git").exists():
        return path / ".git"
    return path if (path / "HEAD").is_file() and (path / "objects").is_dir() else None


def _git(folder: Path, *arguments: str) -> list[str]:
    return [*GIT, f"--git-dir={folder}", *arguments]


def _git_files(folder: Path, limit: int, on_damage: Callable[[Damaged], None], wanted: Callable[[str], bool]) -> Read:
    """Yield the files of the commit that HEAD names. Nothing is checked out."""
    environment = {**os.environ, **ENVIRONMENT}
    tree = _git(folder, "ls-tree", "-r", "-z", "--long", "HEAD")
    listed = subprocess.run(tree, capture_output=True, env=environment, check=False)
    if listed.returncode:
        on_damage(Damaged("damaged_part", listed.stderr.decode(errors="replace").strip()[:500]))
    entries: list[tuple[str, str]] = []
    for line in listed.stdout.split(b"\0"):
        head, _, raw = line.partition(b"\t")
        name = raw.decode("utf-8", "replace")
        fields = head.split()
        if len(fields) != 4 or fields[1] != b"blob" or fields[0] == b"120000" or not wanted(name):
            continue
        if fields[3].isdigit() and int(fields[3]) > limit:
            yield Dropped(reason="too_large", id=name)
        else:
            entries.append((name, fields[2].decode()))
    yield from _blobs(folder, entries, environment, on_damage)


def _blobs(
    folder: Path, entries: Sequence[tuple[str, str]], environment: dict[str, str], on_damage: Callable[[Damaged], None]
) -> Read:
    command = _git(folder, "cat-file", "--batch")
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as child:
        assert child.stdin is not None and child.stdout is not None
        try:
            for name, blob in entries:
                child.stdin.write(f"{blob}\n".encode())
                child.stdin.flush()
                head = child.stdout.readline().split()
                if len(head) != 3:
                    yield Dropped(reason="damaged_member", id=name, text=b" ".join(head).decode(errors="replace"))
                    if not head:
                        on_damage(Damaged("damaged_part", f"git ended at {name}"))
                        return
                    continue
                data = child.stdout.read(int(head[2]))
                child.stdout.read(1)
                yield File(name, data)
        except BrokenPipeError as error:
            on_damage(Damaged("damaged_part", f"git ended early: {error}"))
        finally:
            child.kill()


def _tree_files(path: Path, limit: int, wanted: Callable[[str], bool]) -> Read:
    for root, folders, names in os.walk(path):
        folders.sort()
        for name in sorted(names):
            file = Path(root) / name
            relative = str(file.relative_to(path))
            if file.is_symlink() or not file.is_file() or not wanted(relative):
                continue
            size = file.stat().st_size
            yield Dropped(reason="too_large", id=relative) if size > limit else File(relative, file.read_bytes())


def _rows(path: Path, limit: int, on_damage: Callable[[Damaged], None], wanted: Callable[[str], bool]) -> Read:
    """Yield the files of The Stack's rows."""
    try:
        table = pq.ParquetFile(path)
        names = table.schema_arrow.names
        columns = {
            key: next((name for name in choices if name in names), None)
            for key, choices in (("path", PATHS), ("repository", REPOSITORIES), ("licences", LICENCES))
        }
        read = ["content", *(name for name in columns.values() if name)]
        number = 0
        for batch in table.iter_batches(batch_size=BATCH, columns=read):
            for row in batch.to_pylist():
                number += 1
                yield from _row(row, columns, number, limit, wanted)
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        on_damage(Damaged("damaged_part", f"{type(error).__name__}: {error}"))


def _row(
    row: dict[str, Any], columns: dict[str, str | None], number: int, limit: int, wanted: Callable[[str], bool]
) -> Read:
    values = {key: row.get(name) if name else None for key, name in columns.items()}
    path = str(values["path"] or f"row-{number}")
    content = row.get("content")
    if not isinstance(content, str):
        yield Dropped(reason="unreadable_record", id=f"row {number}")
    elif not wanted(path):
        return
    elif len(content) > limit:
        yield Dropped(reason="too_large", id=path)
    else:
        given = values["licences"]
        licences = tuple(map(str, given)) if isinstance(given, list) else (str(given),) if given else ()
        yield File(path, content.encode("utf-8", "replace"), str(values["repository"] or ""), licences)
