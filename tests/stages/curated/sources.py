"""Runs curated sources in the tests: every unit of every step, and what came out."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from stages.curated.settings import CuratedSettings
from stages.formats.documents import read_documents
from stages.formats.funnel import Funnel, merge, read_funnel
from stages.shared.contract import InputFile
from tests.stages.harness import run_stage


@dataclass(frozen=True)
class Run:
    """What a stage wrote."""

    documents: list[dict[str, Any]]
    rejects: list[dict[str, Any]]
    funnel: Funnel
    files: tuple[Path, ...]
    """All files, by kind in order of unit."""

    @property
    def texts(self) -> dict[str, str]:
        """Texts by id."""
        return {each["id"]: each["text"] for each in self.documents}

    @property
    def reasons(self) -> dict[str, int]:
        """Dropped items by reason, over all steps."""
        total: dict[str, int] = {}
        for step in self.funnel:
            for reason, count in step.reasons.items():
                total[reason] = total.get(reason, 0) + count
        return total


def run(config: CuratedSettings, folder: Path, *files: Path, source: str = "x") -> Run:
    """Run a stage over files and check that nothing is lost between its steps."""
    inputs = {"files": tuple(InputFile(path, source, 0.1) for path in files)}
    out = run_stage(config, inputs, folder / "run")
    funnel = merge(read_funnel(file.path) for file in out["funnel"])
    for before, after in pairwise(funnel):
        assert before.pages_out == after.pages_in
    documents = [row for file in out["documents"] for row in read_documents(file.path)]
    assert len(documents) == funnel[-1].pages_out
    return Run(
        documents=documents,
        rejects=[row for file in out["rejects"] for row in read_documents(file.path)],
        funnel=funnel,
        files=tuple(file.path for kind in sorted(out) for file in out[kind]),
    )
