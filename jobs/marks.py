"""Completion marks: what a done unit has made, and whether that is still there.

A mark lists the unit's files with their sizes, and with digests as far as these cost little. Scratch file systems purge
old files, so a mark alone proves nothing later on.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jobs.paths import StepPaths
from stages.shared.files import read_json, sha256_file

DIGEST_BYTES = 64_000_000
"""Largest file with a digest in its mark: about 0.1 s of a core. Larger files are compared by size."""
QUICK_UNITS = 10_000
"""Most units whose files are looked at whenever somebody looks at the run: half a second on a local disk."""


def made_files(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the files of a unit's folder for its mark, by path in it: size, and digest if it is not large."""
    return {str(path.relative_to(folder)): _described(path) for path in sorted(_files(folder))}


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def _described(path: Path) -> dict[str, Any]:
    size = path.stat().st_size
    return {"bytes": size, **({"sha256": sha256_file(path)} if size <= DIGEST_BYTES else {})}


def damage(step: StepPaths, unit: str, digests: bool = False) -> str:
    """Return what is wrong with the output of a unit that has a mark, "" if nothing is.

    With `digests`, files are read and compared too.
    """
    try:
        files = read_json(step.mark(unit))["files"].items()
        wrong = {name: text for name, made in files if (text := _file_damage(step.unit(unit) / name, made, digests))}
    except FileNotFoundError:  # another launcher has withdrawn it
        return ""
    except (ValueError, KeyError, TypeError, AttributeError):
        return "its completion mark is unreadable"
    others = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
    return next((f"{name} {text}{others}" for name, text in wrong.items()), "")


def _file_damage(path: Path, made: dict[str, Any], digests: bool) -> str:
    try:
        size = os.stat(path).st_size  # noqa: PTH116  (half the time of Path.stat, for 100,000 units)
    except (FileNotFoundError, NotADirectoryError):
        return "is gone"
    if size != made["bytes"]:
        return f"has {size} of {made['bytes']} bytes"
    if digests and "sha256" in made and sha256_file(path) != made["sha256"]:
        return "has changed"
    return ""


class Outputs:
    """Looks at the output of done units, at each unit once: a launcher may look at its run every second."""

    def __init__(self) -> None:
        self._intact: dict[Path, set[str]] = {}

    def damaged(self, step: StepPaths, *, thorough: bool, digests: bool = False) -> dict[str, str]:
        """Return what is wrong by unit, of units with a mark.

        A unit without its folder is always found. Files are looked at if `thorough`, or if the units are few.
        """
        marked, there = step.marked_units(), step.unit_folders()
        # A listing may be older than the mark, as NFS caches folders; a look at the folder itself is not.
        found = {unit: "its folder is gone" for unit in marked - there if not step.unit(unit).is_dir()}
        intact = self._intact.setdefault(step.root, set())
        new = (marked & there) if digests else (marked & there) - intact
        if thorough or len(marked) <= QUICK_UNITS:
            found.update((unit, text) for unit in new if (text := damage(step, unit, digests)))
            intact |= new - found.keys()
        return found


def withdraw(step: StepPaths, unit: str) -> None:
    """Remove the mark of a unit whose output is damaged: it is missing from then on, and made again."""
    step.mark(unit).unlink(missing_ok=True)
