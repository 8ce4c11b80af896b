"""The `duplicates` step: compares the documents of all units. Writes `removed.npy` and `starts.npy`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from stages.curated.distinct.keys import Keys, load_keys
from stages.curated.distinct.overlap import overlapping
from stages.curated.settings import CuratedSettings, DistinctSettings
from stages.shared.task import Task
from stages.text.compiled.arrays import U64
from stages.text.dedup.equal_signatures import Joiner
from stages.text.dedup.union_find import join, make_parents, settle

REMOVED, STARTS = "removed.npy", "starts.npy"
"""Rows (number of a document that goes, number of the one that stays, 1 if they are equal); first number of a unit."""


def run(task: Task[CuratedSettings]) -> dict[str, Any]:
    """Compare all documents."""
    settings: DistinctSettings = task.config.distinct  # type: ignore[attr-defined]  # of stages that compare
    units = [load_keys(folder) for folder in task.steps["read"]]
    keys = Keys(*(np.concatenate(column) for column in zip(*units, strict=True)))
    removed = compare(keys, settings)
    np.save(task.out / REMOVED, np.array(sorted(removed), np.int64).reshape(-1, 3), allow_pickle=False)
    starts = np.cumsum([0, *(len(unit.texts) for unit in units)])
    np.save(task.out / STARTS, starts.astype(np.int64), allow_pickle=False)
    return {"documents": len(keys.texts), "removed": len(removed)}


def compare(keys: Keys, settings: DistinctSettings) -> list[tuple[int, int, int]]:
    """Return the documents that go, each with the one that stays, and whether they are equal."""
    removed: list[tuple[int, int, int]] = []
    gone: set[int] = set()
    if settings.exact:
        _, first, inverse = np.unique(keys.texts, return_index=True, return_inverse=True)
        kept = first[inverse]
        for number in np.flatnonzero(kept != np.arange(len(kept))).tolist():
            removed.append((number, int(kept[number]), 1))
            gone.add(number)
    numbers = np.array([number for number in range(len(keys.texts)) if number not in gone], np.int64)
    near = _minhash(keys, numbers, settings) if settings.near == "minhash" else []
    if settings.near == "overlap":
        ends = np.cumsum(keys.sizes)
        parts = [keys.sketches[ends[number] - keys.sizes[number] : ends[number]] for number in numbers.tolist()]
        sketches = np.concatenate([np.empty(0, np.uint64), *parts])
        near = overlapping(keys.sizes[numbers], sketches, settings.max_overlap)
    return removed + [(int(numbers[small]), int(numbers[large]), 0) for small, large in near]


def _minhash(keys: Keys, numbers: Any, settings: DistinctSettings) -> list[tuple[int, int]]:
    """Return (document, earlier one of its group), by place in `numbers`."""
    is_signed = keys.sizes == settings.buckets
    rows = np.cumsum(is_signed) - 1
    table: U64 = keys.sketches.reshape(-1, settings.buckets)
    places = np.flatnonzero(is_signed[numbers]).astype(np.uint64)
    parents = make_parents(len(numbers))
    for bucket in range(settings.buckets):
        joiner = Joiner(len(places))
        early = joiner.add(np.ascontiguousarray(table[rows[numbers[places.astype(np.int64)]], bucket]), places)
        for pairs in (early, joiner.finish()):
            join(parents, pairs)
    settle(parents)
    return [(place, int(parent)) for place, parent in enumerate(parents.tolist()) if parent != place]


def removed_reasons(folder: Path, place: int) -> dict[int, str]:
    """Return the documents of a unit that go, by their number in it, each with its reason."""
    starts = np.load(folder / STARTS, allow_pickle=False)
    rows = np.load(folder / REMOVED, allow_pickle=False)
    first, end = int(starts[place]), int(starts[place + 1])
    own = rows[(rows[:, 0] >= first) & (rows[:, 0] < end)].tolist()
    return {number - first: "exact_duplicate" if equal else "near_duplicate" for number, _, equal in own}
