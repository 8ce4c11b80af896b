"""Files that a recipe names outside the run: globs to sorted lists, and their identity. Reads the disk."""

from __future__ import annotations

import glob
import hashlib
from pathlib import Path
from typing import Any

from stages.shared.contract import FROM, InputFile
from stages.shared.errors import ConfigError

WHOLE = 16 << 20
"""Files up to this many bytes are hashed whole; of larger ones the size and three samples (head, middle, tail)."""
SAMPLE = 64 << 10


def external_files(value: Any, setting: str) -> tuple[InputFile, ...]:
    """Return the files behind a path, glob, list, or mapping source -> any of these, sorted within each pattern.

    Relative patterns start at the working directory. Raises ConfigError for a pattern that matches nothing.
    """
    if isinstance(value, dict):
        return tuple(file for source, part in sorted(value.items()) for file in _expand(part, source, setting))
    return _expand(value, None, setting)


def _expand(value: Any, source: str | None, setting: str) -> tuple[InputFile, ...]:
    found: list[InputFile] = []
    for pattern in [value] if isinstance(value, str) else value:
        if pattern.startswith(FROM):
            raise ConfigError(setting, pattern, "files only: `from:` cannot be mixed with paths; name it alone")
        path = Path(pattern).expanduser()
        matches = [str(path)] if path.exists() else sorted(glob.glob(str(path), recursive=True))  # noqa: PTH207  (pathlib cannot glob an absolute pattern)
        if not matches:
            raise ConfigError(
                setting, pattern, f"a file that exists, or a glob that matches some (seen from {Path.cwd()})"
            )
        found += [_input_file(Path(match).absolute(), source) for match in matches]
    return tuple(found)


def _input_file(path: Path, source: str | None) -> InputFile:
    return InputFile(path, source or path.name.partition(".")[0], round(path.stat().st_size / 1e6, 3))


def file_identity(file: InputFile) -> list[str]:
    """Return [source, name, digest] of an external file: its content counts, not where it lies or when it was made."""
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
