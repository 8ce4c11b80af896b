"""The step of the benchmarks stage: one data set, from files on disk or from the Hugging Face hub."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasets import Features, load_dataset
from datasets.exceptions import DatasetsError

from stages.benchmarks.config import BenchmarksConfig
from stages.benchmarks.exemplars import NOTE, mmlu_examples
from stages.benchmarks.families import FAMILIES, splits_of_files
from stages.benchmarks.readers import FEATURES, Row, read_labels, read_rows
from stages.formats.benchmarks.index import DataSet, read_index
from stages.formats.benchmarks.layout import folder_of
from stages.formats.benchmarks.write import write_dataset
from stages.shared import log
from stages.shared.errors import DataError
from stages.shared.files import sha256_file
from stages.shared.task import Task

LABELS = ".lst"
"""Suffix of a file with the labels of another file's questions."""


@dataclass(frozen=True)
class Opened:
    """What the tasks of a run open of one data set."""

    data: DataSet
    evaluated: tuple[str, ...]
    """Splits whose questions are asked."""
    pools: tuple[str, ...]
    """Splits that only show solved examples."""


def run(task: Task[BenchmarksConfig]) -> dict[str, Any]:
    """Write the unit's data set into task.out; return the number of rows by split."""
    opened = opened_of(task.config, task.unit)
    files = [file.path for file in task.inputs.get("files", ())]
    if files:
        family = next(name for name, path in FAMILIES.items() if path == opened.data.path)
        splits, notes = read_splits(family, files, opened), []
        if family == "mmlu" and task.config.harness_examples and "dev" not in splits:
            splits["dev"] = mmlu_examples(opened.data.name)
            notes.append(NOTE.format(count=len(splits["dev"])))
        rows, others = complete(splits, opened, task.config.carve.get(family, 0), task.config.seed)
        notes += others
        features: Features | None = FEATURES[family]
    else:
        rows, notes = fetch(opened)
        features = None
    for note in notes:
        log.info(f"{opened.data}: {note}")
    made_from = {"files": {path.name: sha256_file(path) for path in files}, "notes": notes}
    write_dataset(task.out / "datasets", opened.data, rows, features, made_from)
    return {"rows": {split: len(some) for split, some in rows.items()}, "notes": notes}


def opened_of(config: BenchmarksConfig, unit: str) -> Opened:
    """Return what the tasks open of the data set of a unit."""
    leaves = [
        leaf
        for task in config.tasks
        for leaf in read_index().leaves(task)
        if leaf.data.path and "/".join(folder_of(leaf.data)) == unit
    ]
    evaluated = tuple(dict.fromkeys(leaf.shape.evaluated for leaf in leaves if leaf.shape.evaluated))
    pools = dict.fromkeys(leaf.shape.pool for leaf in leaves if leaf.shape.pool not in ("", *evaluated))
    return Opened(leaves[0].data, evaluated, tuple(pools))


def read_splits(family: str, files: Sequence[Path], opened: Opened) -> dict[str, list[Row]]:
    """Return the rows of files by split. Raises DataError for questions without labels."""
    questions = [path for path in files if path.suffix != LABELS]
    splits: dict[str, list[Row]] = {}
    for path, split in splits_of_files(questions, opened.evaluated, opened.pools).items():
        splits.setdefault(split, []).extend(read_rows(family, path, opened.data))
    for path, split in splits_of_files(files, opened.evaluated, opened.pools).items():
        if path.suffix == LABELS:
            rows, labels = splits.get(split, []), read_labels(path)
            if len(labels) != len(rows):
                raise DataError(path, f"{len(labels)} labels of {len(rows)} questions", "Give both files of one split")
            for row, label in zip(rows, labels, strict=True):
                row["label"] = type(row["label"])(label)
    for split, rows in splits.items():
        if any(row.get("label") in (-1, "") for row in rows):
            raise DataError(files[0], f"no labels of the split {split!r}", f"Give its file of labels (*{LABELS}), too")
    return splits


def complete(
    splits: dict[str, list[Row]], opened: Opened, carve: int, seed: int
) -> tuple[dict[str, list[Row]], list[str]]:
    """Return the splits that the tasks open, and notes on those that no file holds.

    A split of solved examples takes `carve` questions from the first evaluated split; without it is left out. Raises
    DataError if an evaluated split has no rows, or too few.
    """
    for split in opened.evaluated:
        if not splits.get(split):
            remedy = f"Give a file of it, with {split!r} in its name; a file that names no split is of 'test'"
            raise DataError(str(opened.data), f"no rows of the split {split!r}", remedy)
    found, notes = {name: splits[name] for name in (*opened.evaluated, *opened.pools) if splits.get(name)}, []
    for pool in opened.pools:
        if pool in found:
            continue
        if not carve:
            notes.append(f"no file holds {pool!r}, so the task can be asked with 0 shots only")
            continue
        source = opened.evaluated[0]
        if carve >= len(found[source]):
            raise DataError(str(opened.data), f"{len(found[source])} rows, of them {carve} to carve", "Lower `carve`")
        chosen = set(random.Random(f"{seed}/{opened.data}").sample(range(len(found[source])), carve))
        found[pool] = [row for place, row in enumerate(found[source]) if place in chosen]
        found[source] = [row for place, row in enumerate(found[source]) if place not in chosen]
        notes.append(f"{pool!r} has {carve} questions carved from {source!r}, which are evaluated no more")
    return found, notes


def fetch(opened: Opened) -> tuple[dict[str, list[Row]], list[str]]:
    """Return the splits of a data set of the Hugging Face hub. Raises DataError if it cannot be reached."""
    try:
        loaded = load_dataset(opened.data.path, opened.data.name or None)
        splits = {name: list(loaded[name]) for name in (*opened.evaluated, *opened.pools)}
    except (OSError, ValueError, KeyError, DatasetsError) as error:
        remedy = "Run where there is a network, or give its files in `files`"
        raise DataError(str(opened.data), f"not fetched ({type(error).__name__}: {error})", remedy) from error
    return splits, ["fetched from the Hugging Face hub"]
