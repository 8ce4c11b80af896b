"""Families of files that can be prepared: which data set each makes, and which files and splits it reads. Light."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from stages.formats.benchmarks.index import DataSet

FAMILIES = {
    "piqa": "baber/piqa",
    "siqa": "lighteval/siqa",
    "arc": "allenai/ai2_arc",
    "mmlu": "cais/mmlu",
    "gsm8k": "openai/gsm8k",
    "mgsm": "juletxara/mgsm",
    "bbh": "SaylorTwift/bbh",
    "humaneval": "openai/openai_humaneval",
}
"""The data set on the Hugging Face hub that lm-eval opens, by the name of its files in `files`."""
BY_CONFIGURATION = ("arc", "mgsm", "bbh")
"""Families with a file for each configuration, which stands in the file's name."""
OTHER = "test"
"""Split of a file whose name says none."""
SPLITS = {"train": "train", "valid": "validation", "dev": "dev", "test": "test"}
"""Splits by the word in a file's name."""


def family_of(data: DataSet) -> str | None:
    """Return the family that makes a data set; None if none does."""
    return next((family for family, path in FAMILIES.items() if path == data.path), None)


def is_read(path: Path, family: str, data: DataSet) -> bool:
    """Return whether a data set reads a file of its family."""
    parts = path.name.lower().replace("-", "_").removesuffix(path.suffix.lower()).split(".")
    name, config = parts[0], data.name.lower().replace("-", "_")
    if family not in BY_CONFIGURATION:
        return True
    return name in (config, f"{family}_{config}") or name.startswith(f"{config}_")


def splits_of_files(paths: Iterable[Path], evaluated: Sequence[str], pools: Sequence[str]) -> dict[Path, str]:
    """Return the split that each file holds, by its name; files of other splits are left out.

    Publishers call the same questions `dev`, `validation` or `test`. If no file is named after the one evaluated split,
    those of another such name hold it.
    """
    said = {path: _said(path) for path in paths}
    found = {path: split for path, split in said.items() if split in (*evaluated, *pools)}
    if len(evaluated) == 1 and evaluated[0] not in found.values():
        found |= {path: evaluated[0] for path, split in said.items() if path not in found and split != "train"}
    return found


def _said(path: Path) -> str:
    return next((split for word, split in SPLITS.items() if word in path.name.lower()), OTHER)
