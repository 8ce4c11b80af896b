"""Completion marks: what a done unit has made, and whether that is still there.

A mark lists the unit's files with their sizes, and with digests as far as these cost little; also those that the unit
published while it ran. Scratch file systems purge old files, so a mark alone proves nothing later on.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from jobs.paths import StepPaths
from stages.shared.files import sha256_file

DIGEST_BYTES = 64_000_000
"""Largest file with a digest in its mark: about 0.1 s of a core. Larger files are compared by size."""
QUICK_UNITS = 10_000
"""Most units whose files are looked at whenever somebody looks at the run: half a second on a local disk."""


def made_files(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the files of a unit's folder for its mark, by path in it: size, and digest if it is not large."""
    return {str(path.relative_to(folder)): _described(path) for path in sorted(_files(folder))}


def content(step: StepPaths, unit: str, out: Path) -> dict[str, Any]:
    """Return what a mark says of a unit's files: of those in `out`, which becomes its folder, and published ones."""
    published = made_files(step.published(unit))
    return {"files": made_files(out), **({"published": published} if published else {})}


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def _described(path: Path) -> dict[str, Any]:
    size = path.stat().st_size
    return {"bytes": size, **({"sha256": sha256_file(path)} if size <= DIGEST_BYTES else {})}


def damage(step: StepPaths, name: str, digests: bool = False) -> str:
    """Return what is wrong with the output of a unit that has a mark, "" if nothing is.

    `<unit>/<output>` names one output that the unit published. With `digests`, files are read and compared too.
    """
    unit, _, output = name.partition("/")
    try:
        mark = step.read_mark(unit)
        places = [(step.published(unit), mark.get("published", {}))]
        places += [] if output else [(step.unit(unit), mark["files"])]
        wrong = {
            name: text
            for folder, files in reversed(places)
            for name, made in files.items()
            if name.partition("/")[0] == output or not output
            if (text := _file_damage(folder / name, made, digests))
        }
    except FileNotFoundError:  # another launcher has withdrawn it
        return ""
    except (ValueError, KeyError, TypeError, AttributeError):
        return "its completion mark is unreadable"
    others = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
    return next((f"{name} {text}{others}" for name, text in wrong.items()), "")


def published_outputs(step: StepPaths, unit: str) -> set[str]:
    """Return the names of what a unit published, by its mark."""
    try:
        return {name.partition("/")[0] for name in step.read_mark(unit).get("published", {})}
    except (OSError, ValueError, AttributeError):
        return set()


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
        """Return what is wrong by unit, of units with a mark; by `<unit>/<output>` too, of what they published.

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
        for unit in [*found]:
            names = (f"{unit}/{output}" for output in sorted(published_outputs(step, unit)))
            found.update((name, text) for name in names if (text := damage(step, name, digests)))
        return found


def withdraw(step: StepPaths, damaged: Iterable[str]) -> None:
    """Remove damaged published outputs, then the marks of their units: these are missing from then on, and made again.

    In this order a launcher that is killed in between leaves what the next one finds damaged again.
    """
    for name in sorted(damaged, key=lambda name: "/" not in name):
        unit, _, output = name.partition("/")
        if output:
            shutil.rmtree(step.published(unit) / output, ignore_errors=True)
            (step.published(unit) / output).unlink(missing_ok=True)
        else:
            step.remove_mark(unit)
