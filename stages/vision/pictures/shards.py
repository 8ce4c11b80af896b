"""Readers of files that hold pictures: tars of webdataset and img2dataset, and Parquet. Nothing in them is executed."""

from __future__ import annotations

import json
import tarfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

from stages.formats.chat.rejects import Reject
from stages.shared.errors import DataError
from stages.vision.pictures.samples import Place, Sample, Samples

PICTURES = ("jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff", "avif", "jp2")
TEXTS = ("txt", "caption", "json")
CAPTIONS = ("caption", "text", "TEXT")
"""Names of captions in JSON and Parquet; the first that is there counts."""
IMAGES = ("image", "picture", "jpg", "bytes")
NAMES = ("id", "key", "__key__")
MAX_TEXT_BYTES = 1 << 20
ROWS = 16
"""Rows of Parquet in memory at a time."""
END = bytes(tarfile.BLOCKSIZE)
_REMEDY = "Copy or download the file again"


def tar_samples(path: Path, max_bytes: int, mended: Counter[str]) -> Samples:
    """Yield the samples of a tar: neighbours whose names are equal before a known extension.

    Members of other kinds are counted in `mended` and not read. A key that comes back later is a Reject. Raises
    DataError for a tar that is cut.
    """
    seen: set[str] = set()
    key, parts = "", dict[str, bytes | Reject]()
    for name, extension, content in _members(path, max_bytes, mended):
        if name != key:
            if parts:
                yield key, _tar_sample(key, parts)
            seen.add(key)
            key, parts = name, {}
        if name in seen:
            parts[extension] = Reject("scattered_members", f"{name}.{extension} is apart from the others of its key")
        elif extension in parts:
            parts[extension] = Reject("repeated_member", f"{name}.{extension}")
        else:
            parts[extension] = content
    if parts:
        yield key, _tar_sample(key, parts)


def _members(path: Path, max_bytes: int, mended: Counter[str]) -> Iterator[tuple[str, str, bytes | Reject]]:
    """Yield key, extension and content of the members that are read."""
    try:
        with tarfile.open(path, "r:") as tar:
            for member in tar:
                name, extension = _split(member.name)
                if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or not extension:
                    mended["other_members"] += 1
                    continue
                limit = max_bytes if extension in PICTURES else MAX_TEXT_BYTES
                if member.size > limit:
                    yield name, extension, Reject("too_many_bytes", f"{member.size} bytes, at most {limit}")
                    continue
                file = tar.extractfile(member)
                content = file.read() if file else b""
                if len(content) < member.size:
                    raise tarfile.ReadError("unexpected end of data")
                yield name, extension, content
            _check_end(path, tar.offset)
    except tarfile.TarError as error:
        raise DataError(path, f"the tar is damaged or cut ({error})", _REMEDY) from error


def _check_end(path: Path, offset: int) -> None:
    """Raise ReadError for a tar that ends without a block of zeros: it was cut between two members."""
    with path.open("rb") as file:
        file.seek(offset)
        if file.read(tarfile.BLOCKSIZE) != END:
            raise tarfile.ReadError(f"no end of archive at byte {offset}")


def _split(name: str) -> tuple[str, str]:
    """Return the key and the known extension of a member; "" for others. Dots within a key do not count."""
    key, _, extension = name.rpartition(".")
    known = extension.lower()
    return (key, known) if key and known in (*PICTURES, *TEXTS) else (name, "")


def _tar_sample(key: str, parts: dict[str, bytes | Reject]) -> Sample | Reject:
    rejects = [part for part in parts.values() if isinstance(part, Reject)]
    if rejects:
        return rejects[0]
    found = {name: part for name, part in parts.items() if isinstance(part, bytes)}
    pictures = [found[name] for name in PICTURES if name in found]
    if len(pictures) != 1:
        return Reject("no_picture" if not pictures else "several_pictures", ", ".join(parts))
    try:
        return Sample(name=key, pictures=pictures, captions=_tar_captions(found))
    except (ValueError, RecursionError) as error:
        return Reject("unreadable_text", str(error))


def _tar_captions(found: dict[str, bytes]) -> list[Any]:
    """Return the caption: of the text file, else of the JSON."""
    for name in ("txt", "caption"):
        if name in found:
            return [found[name].decode()]
    record = json.loads(found["json"]) if "json" in found else {}
    if not isinstance(record, dict):
        raise ValueError("the JSON is no object")
    return _captions(next((record[name] for name in CAPTIONS if record.get(name) is not None), None))


def _captions(value: Any) -> list[Any]:
    return [] if value is None else value if isinstance(value, list) else [value]


def parquet_samples(path: Path) -> Samples:
    """Yield a sample a row. Raises DataError for a file that is damaged or lacks a column."""
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            columns = file.schema_arrow.names
            image, text, name = (
                next((each for each in names if each in columns), "") for names in (IMAGES, CAPTIONS, NAMES)
            )
            if not image:
                problem = f"no column of pictures among {', '.join(columns)}"
                raise DataError(path, problem, f"Name it one of {', '.join(IMAGES)}")
            number = 0
            for batch in file.iter_batches(ROWS, columns=[each for each in (image, text, name) if each]):
                for row in batch.to_pylist():
                    number += 1
                    yield _row(number, row[image], row.get(text), row.get(name))
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(path, f"not readable as Parquet ({error})", _REMEDY) from error


def _row(number: int, image: Any, text: Any, name: Any) -> tuple[Place, Sample | Reject]:
    data = image.get("bytes") if isinstance(image, dict) else image
    if not isinstance(data, bytes):
        return number, Reject("no_picture", f"a picture as {type(data).__name__}")
    return number, Sample(name=str(number if name is None else name), pictures=[data], captions=_captions(text))
