"""Planning of a step that reads published data: a unit a file, and the format of each source. Light."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from stages.formats.published.files import SUFFIXES, Fields, first_record, is_of, shown
from stages.shared.contract import InputFile, Unit, file_key, unique_keys
from stages.shared.errors import ConfigError, nearest

Name = TypeVar("Name", bound=str)


def reading_units(
    files: Sequence[InputFile], formats: Collection[str], given: Any, suffixes: tuple[str, ...] = SUFFIXES
) -> tuple[Unit, ...]:
    """Return a unit for each file of the input field `files`, which depends on the format of its source alone.

    `formats` are the sources in the setting `read`, `given` is the value of `files`. Raises ConfigError for a source
    without a format, a format without files, and a file of another suffix.
    """
    for file in files:
        if file.source not in formats:
            wanted = f"a mapping from names in `read`; {nearest(file.source, list(formats))}"
            raise ConfigError("files", file.source or file.where, wanted)
        if not file.path.name.endswith(suffixes):
            raise ConfigError("files", file.where, f"files of {', '.join(suffixes)}")
    for name in formats:
        if name not in {file.source for file in files}:
            wanted = f"a mapping with files of {name!r} (for example {{{name}: /data/*.json}})"
            raise ConfigError("files", given, wanted)
    return tuple(
        Unit(key=key, inputs={"files": (file,)}, uses=(f"read.{file.source}",), core_seconds=1.0 + 0.2 * file.mb)
        for key, file in zip(unique_keys(map(file_key, files)), files, strict=True)
    )


def memory_mb(files: Sequence[InputFile]) -> float:
    """Return the memory of a unit: a JSON array takes eight times its file."""
    return 200 + 8 * max((file.mb for file in files), default=0.0)


def other_format(path: Path, name: Name, fields: Mapping[Name, Fields]) -> str | None:
    """Return which format a setting must name, if the first record of a file is not of format `name`; else None."""
    record = first_record(path)
    if record is None or is_of(record, fields[name]):
        return None
    likely = [each for each in fields if is_of(record, fields[each])]
    return f"the format of {path}" + (f" (for example {likely[0]})" if likely else f": {shown(fields[name])}")
