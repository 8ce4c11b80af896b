"""What it means that two runs are equal."""

from __future__ import annotations

from pathlib import Path

from stages.shared.files import sha256_file
from tests.stages.train.ranks import Run, digest, losses


def same_files(one: Path, other: Path) -> bool:
    names = sorted(path.relative_to(one) for path in one.rglob("*") if path.is_file())
    assert names == sorted(path.relative_to(other) for path in other.rglob("*") if path.is_file())
    return [sha256_file(one / name) for name in names] == [sha256_file(other / name) for name in names]


def assert_equal(run: Run, undisturbed: Run) -> None:
    assert digest(run) == digest(undisturbed)
    assert losses(run) == losses(undisturbed)
    for folder in ("final", "untrained"):
        assert same_files(run.out / folder, undisturbed.out / folder)
