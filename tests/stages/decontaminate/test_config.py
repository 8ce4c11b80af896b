"""What `decontaminate` is planned with: what a unit reads, and what each setting runs again."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.decontaminate.config import DecontaminateConfig
from stages.shared.contract import InputFile
from stages.shared.errors import ConfigError

FILES = tuple(InputFile(Path(f"{name}.jsonl.zst"), "web", mb=10.0) for name in ("a", "b"))
ITEMS = (InputFile(Path("items.jsonl"), ""),)


def test_a_file_of_documents_is_a_unit_and_its_outputs_keep_the_source() -> None:
    plan = DecontaminateConfig(documents="x", items="y").plan({"documents": FILES, "items": ITEMS})
    assert [len(step.units) for step in plan.steps] == [1, 2, 1]
    documents = [output for output in plan.outputs if output.kind.name == "documents"]
    assert [(output.unit, output.source) for output in documents] == [
        ("web/a.jsonl.zst", "web"),
        ("web/b.jsonl.zst", "web"),
    ]


def test_what_is_removed_does_not_change_the_index() -> None:
    index, remove, _ = DecontaminateConfig(documents="x", items="y").plan({"documents": FILES, "items": ITEMS}).steps
    assert not set(index.uses) & set(remove.uses)


def test_items_are_needed() -> None:
    with pytest.raises(ConfigError, match="at least one file of items"):
        DecontaminateConfig(documents="x", items="y").plan({"documents": FILES})
