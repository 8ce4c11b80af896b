"""Reads results of evaluations, and single samples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from stages.formats.kinds import KINDS
from stages.formats.results import Base, EvaluationKey, Results, Sample, base_of, read_results, read_samples
from stages.report.part import Material
from stages.report.parts.evaluation.flips import Place
from stages.shared.contract import InputFile


def read(material: Material) -> dict[str, Results]:
    """Return the results of a section by unit, in plan order.

    The name of a checkpoint is that of its units, which differs for two checkpoints from one source.
    """
    return {file.unit: _named(file, read_results(file.path)) for file in material.of(KINDS.results)}


def _named(file: InputFile, results: Results) -> Results:
    return replace(results, key=replace(results.key, source=file.unit.rpartition("/")[0]))


def read_bases(material: Material) -> dict[str, Base]:
    """Return the base of each checkpoint that has one."""
    found = {file.unit.rpartition("/")[0]: base_of(file) for file in material.of(KINDS.results)}
    return {name: base for name, base in found.items() if base}


def sample_files(material: Material, results: Mapping[str, Results]) -> dict[EvaluationKey, Path]:
    """Return the file of samples beside each result, where there is one."""
    return {results[file.unit].key: file.path for file in material.of(KINDS.samples) if file.unit in results}


def find_samples(places: Iterable[Place], files: Mapping[EvaluationKey, Path]) -> dict[Place, Sample]:
    """Return the samples at `places`. Each file is read once, line by line; a place without a file is left out."""
    by_key: dict[EvaluationKey, list[Place]] = {}
    for place in places:
        by_key.setdefault(place.key, []).append(place)
    return {
        place: sample
        for key, wanted in by_key.items()
        if key in files
        for place, sample in _find(wanted, files[key]).items()
    }


def _find(wanted: list[Place], path: Path) -> dict[Place, Sample]:
    by_index: dict[tuple[str, int], list[Place]] = {}
    for place in wanted:
        by_index.setdefault((place.task, place.index), []).append(place)
    found: dict[Place, Sample] = {}
    seen: Counter[tuple[str, str]] = Counter()
    for sample in read_samples(path):
        index = seen[sample.task, sample.filter]
        seen[sample.task, sample.filter] += 1
        for place in by_index.get((sample.task, index), ()):
            if sample.belongs_to(place.metric):
                found[place] = sample
    return found
