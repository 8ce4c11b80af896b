"""The layout of prepared data, that of the Hugging Face cache: `<owner>___<name>/<configuration>/<version>/<hash>`.

Each folder has `dataset_info.json`, with the number of rows of each split, and one Arrow file a split.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

from stages.formats.benchmarks.index import DataSet
from stages.shared.errors import DataError

INFO = "dataset_info.json"
CHECKSUMS = "checksums.json"
"""Digests of the files, and where the rows come from."""
DEFAULT = "default"
VERSION, HASH = "0.0.0", "prepared"
"""Names of the two lower folders, which say nothing: the content is in CHECKSUMS."""


def folder_of(data: DataSet) -> tuple[str, str]:
    """Return the names of a data set's two upper folders: those of `datasets` (naming.camelcase_to_snakecase)."""
    owner, _, name = data.path.rpartition("/")
    snake = re.sub(r"([a-z\d])([A-Z])", r"\1_\2", re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", name)).lower()
    return "___".join(filter(None, (owner, snake))), data.name or DEFAULT


def find_dataset(data: DataSet, folders: Sequence[Path]) -> Path | None:
    """Return the folder of a data set. One without a configuration may have a folder of any, if it is the only one.

    Raises DataError if there are several: their order would decide.
    """
    name, config = folder_of(data)
    found = [folder for folder in folders if folder.parts[-4:-3] == (name,) and folder.parts[-3] == config]
    if not found and not data.name:
        found = [folder for folder in folders if folder.parts[-4:-3] == (name,)]
    if len(found) > 1:
        raise DataError(found[1], f"a second folder of {data}, beside {found[0]}", "Name one of them in `datasets`")
    return found[0] if found else None


def splits_of(folder: Path) -> dict[str, int]:
    """Return the number of rows by split. Raises DataError for a folder without a readable description."""
    return {name: rows for name, (rows, _) in sizes_of(folder).items()}


def sizes_of(folder: Path) -> dict[str, tuple[int, int]]:
    """Return the number of rows and of their bytes by split; 0 bytes if unknown.

    Raises DataError for a folder without a readable description.
    """
    try:
        splits = json.loads((folder / INFO).read_text(encoding="utf-8"))["splits"]
        return {name: (int(each["num_examples"]), int(each.get("num_bytes") or 0)) for name, each in splits.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        remedy = f"`datasets` takes folders as HOME/datasets/*/*/*/*, each with {INFO}"
        raise DataError(folder, f"no prepared data ({error!r})", remedy) from error
