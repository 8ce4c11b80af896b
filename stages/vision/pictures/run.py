"""The steps of `vision.pictures`: the pictures of one file or share, then one collection of all."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.formats.chat.chats import Chat, write_chats
from stages.formats.chat.rejects import Reject, Rejects
from stages.formats.chat.syntheses import Synthesis, synthesis_of_reading, write_synthesis
from stages.formats.kinds import KINDS
from stages.formats.pictures.collections import MAX_CAPTIONS, Collection, CollectionWriter, Picture
from stages.formats.pictures.tars import Rows, join, key_of
from stages.pictures.likeness import Fingerprint, Likeness, fingerprint
from stages.pictures.load import Bounds, load_picture, read_bytes
from stages.pictures.store import storable
from stages.shared.contract import InputFile
from stages.shared.errors import DataError
from stages.shared.task import Task
from stages.vision.pictures.config import LISTS, PicturesConfig
from stages.vision.pictures.lists import list_samples
from stages.vision.pictures.samples import Found, Sample, Samples
from stages.vision.pictures.shards import parquet_samples, tar_samples
from stages.vision.pictures.texts import caption_digest, clean_captions, conversation

DIGESTS = "captions.npy"
"""File beside a unit's collection: a digest for each caption, row by row."""


@dataclass
class Entry:
    """A picture of the unit, with what its samples say of it."""

    suffix: str
    size: tuple[int, int]
    likeness: Fingerprint
    place: tuple[int, int]
    """Offset and bytes in the unit's temporary file."""
    about: dict[str, Any]
    captions: list[str] = field(default_factory=list)
    chats: int = 0


def read(task: Task[PicturesConfig]) -> dict[str, Any]:
    """Write the pictures and chats of a unit. Raises DataError if it gives none."""
    files = task.inputs["files"]
    with tempfile.TemporaryFile(dir=task.out) as spool:
        unit = UnitReader(task, spool)
        for place, sample in unit.samples(files):
            unit.take(place, sample)
        if not unit.kept:
            raise DataError(
                files[0].path,
                f"none of {unit.kept + unit.rejects.counts.total()} samples can be used ({dict(unit.rejects.counts)})",
                f"Look at `read.{files[0].source}` and its folder",
            )
        unit.write()
    synthesis = synthesis_of_reading("sample", unit.kept, unit.rejects, unit.mended)
    write_synthesis(task.out / KINDS.synthesis.file, synthesis)
    return {"kept": unit.kept, "pictures": len(unit.entries), "rejected": synthesis.rejected}


class UnitReader:
    """Collects the samples of one unit; a picture that several samples name is stored once."""

    def __init__(self, task: Task[PicturesConfig], spool: Any) -> None:
        """`spool` is a temporary file: a picture's texts are complete only after the last sample."""
        self._task, self._spool, self._config = task, spool, task.config
        self._source = task.inputs["files"][0].source
        self._bounds = Bounds(max_bytes=task.config.max_bytes, max_pixels=task.config.max_pixels)
        self._heldout = Likeness(_heldout(task.inputs.get("heldout", ())))
        self._keys: dict[Path, str] = {}
        self.entries: dict[str, Entry] = {}
        self.chats: list[Chat] = []
        self.rejects, self.mended = Rejects(), Counter[str]()
        self.kept = 0

    def samples(self, files: tuple[InputFile, ...]) -> Samples:
        """Yield the unit's samples in order."""
        settings = self._config.read[self._source]
        if settings.format in LISTS:
            share, _, shares = self._task.unit.rpartition("/")[2].partition("-of-")
            paths = [file.path for file in files]
            yield from list_samples(settings.format, paths, Path(settings.folder), int(share), int(shares))
        elif settings.format == "webdataset":
            yield from tar_samples(files[0].path, self._config.max_bytes, self.mended)
        else:
            yield from parquet_samples(files[0].path)

    def take(self, place: int | str, sample: Sample | Reject) -> None:
        """Store a sample, or count why it is not stored. None of its pictures is replaced or left out."""
        try:
            if isinstance(sample, Reject):
                raise sample
            captions = clean_captions(sample.captions, self.mended)
            if not captions and not sample.turns and self._config.needs_text:
                raise Reject("no_text", sample.name)
            opened = [self._opened(found) for found in sample.pictures]
            keys = [key for key, _ in opened]
            if sample.turns:
                self._chat(place, sample, keys)
        except Reject as reject:
            self.rejects.add(reject, record=ascii(place)[1:-1] if isinstance(place, str) else place)
            return
        self.kept += 1
        for found, (key, new) in zip(sample.pictures, opened, strict=True):
            self._store(key, new, sample, captions)
            if isinstance(found, Path):
                self._keys[found] = key

    def _opened(self, found: Found) -> tuple[str, tuple[bytes, Entry] | None]:
        """Return the key of a picture, and its bytes if it is new. Raises Reject."""
        if isinstance(found, Path) and found in self._keys:
            return self._keys[found], None
        data = read_bytes(found, self._bounds) if isinstance(found, Path) else found
        if (key := key_of(data)) not in self.entries:
            image = load_picture(data, bounds=self._bounds)
            own = fingerprint(image)
            bits = self._heldout.nearest(own)
            if bits is not None:
                raise Reject("evaluation_picture", f"{bits} of 64 bits from an evaluation picture")
            data, suffix = storable(data, image)
            key = key_of(data)
            return key, (data, Entry(suffix, image.size, own, (0, 0), {}))
        return key, None

    def _store(self, key: str, new: tuple[bytes, Entry] | None, sample: Sample, captions: tuple[str, ...]) -> None:
        if new is not None and key not in self.entries:
            data, entry = new
            entry.place = (self._spool.tell(), len(data))
            self._spool.write(data)
            entry.about = {"source": self._source, "name": sample.name}
            self.entries[key] = entry
        entry = self.entries[key]
        entry.chats += bool(sample.turns)
        if sample.boxes:
            entry.about["boxes"] = [*entry.about.get("boxes", ()), *sample.boxes]
        fresh = [text for text in captions if text not in entry.captions]
        room = MAX_CAPTIONS - len(entry.captions)
        self.mended["surplus_captions"] += len(captions) - len(fresh[:room])
        entry.captions += fresh[:room]

    def _chat(self, place: int | str, sample: Sample, keys: list[str]) -> None:
        provenance = {"source": self._source, "format": self._config.read[self._source].format, "record": place}
        messages = conversation(sample.turns, keys)
        self.chats.append(Chat(id=f"{self._source}/{sample.name}", messages=messages, provenance=provenance))

    def write(self) -> None:
        """Write the unit's collection, digests of captions, and chats where the format has them."""
        with CollectionWriter(self._task.out / KINDS.pictures.file) as writer:
            for key, entry in self.entries.items():
                writer.add(self._picture(key, entry), entry.likeness.hash, entry.likeness.colours, entry.chats)
        digests = [caption_digest(text) for entry in self.entries.values() for text in entry.captions]
        np.save(self._task.out / DIGESTS, np.array(digests, np.uint64), allow_pickle=False)
        if self._config.read[self._source].format == "llava":
            write_chats(self._task.out / KINDS.chats.file, self.chats)

    def _picture(self, key: str, entry: Entry) -> Picture:
        self._spool.seek(entry.place[0])
        width, height = entry.size
        return Picture(
            key=key,
            suffix=entry.suffix,
            data=self._spool.read(entry.place[1]),
            width=width,
            height=height,
            captions=tuple(entry.captions),
            about=entry.about,
        )


def _heldout(files: tuple[InputFile, ...]) -> Iterator[Fingerprint]:
    for file in files:
        with Collection(file.path) as collection:
            for hash_, colours in zip(collection.rows["hash"], collection.rows["colours"], strict=True):
                yield Fingerprint(int(hash_), colours.tobytes())


def merge(task: Task[PicturesConfig]) -> dict[str, Any]:
    """Write one collection of all units, without repeated captions and pictures."""
    parts = [Collection(folder / KINDS.pictures.file) for folder in task.steps["read"]]
    digests = [np.load(folder / DIGESTS, allow_pickle=False) for folder in task.steps["read"]]
    rows = np.concatenate([part.rows for part in parts])
    left, repeated = _without_repeats(rows, np.concatenate(digests), task.config.max_per_caption)
    is_kept = _kept(rows, left)
    rows["captions"] = left
    borders = np.cumsum([len(part) for part in parts])[:-1]
    chosen = [own[kept] for own, kept in zip(np.split(rows, borders), np.split(is_kept, borders), strict=True)]
    join(task.out / KINDS.pictures.file, parts, chosen)
    rejected = {"repeated_caption": repeated} if repeated else {}
    candidates = int(sum(map(len, digests)))
    synthesis = Synthesis(
        method="merge", noun="caption", candidates=candidates, kept=candidates - repeated, rejected=rejected
    )
    write_synthesis(task.out / KINDS.synthesis.file, synthesis)
    return {"pictures": int(is_kept.sum()), "captions": candidates - repeated, "repeated_captions": repeated}


def _without_repeats(rows: Rows, digests: NDArray[np.uint64], most: int) -> tuple[NDArray[np.uint64], int]:
    """Return the captions that are left of each row, as bits, and the number of those that are not.

    The first `most` captions of a text stay, in order of units and rows; 0: all.
    """
    counts = np.bitwise_count(rows["captions"]).astype(np.int64)
    if not most or not len(digests):
        return rows["captions"].copy(), 0
    row_of = np.repeat(np.arange(len(rows)), counts)
    bit = np.arange(len(digests)) - np.repeat(np.cumsum(counts) - counts, counts)
    order = np.argsort(digests, kind="stable")
    is_first = np.concatenate(([True], np.diff(digests[order]) != 0))
    starts = np.flatnonzero(is_first)
    seen = np.empty(len(digests), np.int64)
    seen[order] = np.arange(len(digests)) - starts[np.cumsum(is_first) - 1]
    stays = seen < most
    left = np.zeros(len(rows), np.uint64)
    np.bitwise_or.at(left, row_of[stays], np.uint64(1) << bit[stays].astype(np.uint64))
    return left, int((~stays).sum())


def _kept(rows: Rows, left: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Return which rows stay: those with a caption left, and one of each picture that chats name or that had none."""
    is_kept: NDArray[np.bool_] = left != 0
    wanted = np.flatnonzero(is_kept | (rows["chats"] > 0) | (rows["captions"] == 0))
    wanted = wanted[np.argsort(~is_kept[wanted], kind="stable")]
    is_kept[wanted[np.unique(rows["key"][wanted], return_index=True)[1]]] = True
    return is_kept
