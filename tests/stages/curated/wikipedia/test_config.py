"""Plans of dumps: units, parts, and what no unit can be."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.curated.wikipedia.config import WikipediaConfig
from stages.shared.contract import InputFile
from stages.shared.errors import ConfigError

DUMP = InputFile(Path("/d/enwiki-multistream.xml.bz2"), "en", 20_000)


def test_indexes_among_the_files_are_left_out() -> None:
    index = InputFile(Path("/d/enwiki-20260101-pages-articles-multistream-index1.txt-p1p41242.bz2"), "en")
    part = InputFile(Path("/d/enwiki-20260101-pages-articles-multistream1.xml-p1p41242.bz2"), "en")
    (step,) = WikipediaConfig(files="x").plan({"files": (index, part)}).steps
    assert [unit.inputs["files"] for unit in step.units] == [(part,)]


def test_a_file_is_a_unit_or_as_many_as_there_are_parts() -> None:
    (step,) = WikipediaConfig(files="x").plan({"files": (DUMP,)}).steps
    assert [unit.key for unit in step.units] == ["en/enwiki-multistream.xml.bz2"]
    plan = WikipediaConfig(files="x", parts=2).plan({"files": (DUMP,)})
    assert [unit.key for unit in plan.steps[0].units] == [f"en/{DUMP.path.name}/part-{part}-of-2" for part in (0, 1)]
    assert "parts" in plan.steps[0].uses and "parts" not in step.uses
    assert [each.kind.name for each in plan.outputs] == [
        name for name in ("documents", "funnel", "rejects", "tables") for _ in range(2)
    ]


@pytest.mark.parametrize(
    ("settings", "files", "said"),
    [
        ({}, (), "files = None: must be at least one file"),
        ({}, (InputFile(Path("a.json"), "x"),), r"files = 'a\.json': must be files of \.xml"),
        ({"parts": 2}, (InputFile(Path("a.xml"), "x"),), r"parts = 2: must be 1, because a\.xml is no multistream"),
    ],
)
def test_what_cannot_be_read_is_refused(settings: dict[str, int], files: tuple[InputFile, ...], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        WikipediaConfig.model_validate({"files": "x", **settings}).plan({"files": files})
