from pathlib import Path

import pytest

from stages.formats.documents import DocumentWriter
from stages.formats.kinds import KINDS
from stages.report.part import Material
from stages.report.parts.pages.read import EXAMPLE_CHARS, read
from stages.shared.contract import InputFile
from stages.shared.errors import DataError
from tests.stages.report.journey import DUMPS, REJECTS, START, made, make_run


def material(*files: InputFile) -> Material:
    return Material(section="web", files=files, run_dir=Path(), made=START)


def test_the_funnels_are_summed_and_kept_by_dump(tmp_path: Path) -> None:
    pages = read(material(*make_run(tmp_path / "run")))
    assert pages.funnel[0].pages_in == 2400
    assert [funnel[0].pages_in for funnel in pages.by_source.values()] == [1200, 1200]
    assert tuple(pages.by_source) == DUMPS
    assert set(pages.examples) == set(REJECTS)
    assert all(e.is_cut and len(e.text) == EXAMPLE_CHARS for es in pages.examples.values() for e in es)
    assert pages.tables is not None


def test_a_few_examples_of_each_reason_are_kept_and_unknown_reasons_are_left_out(tmp_path: Path) -> None:
    files = [file for file in make_run(tmp_path / "run") if file.kind != "rejects"]
    with DocumentWriter(tmp_path / "rejects") as writer:
        for number in range(10):
            page = {"id": "", "url": f"{number}", "text": "short", "step": "url"}
            writer.write({**page, "reason": "blocked_domain"})
            writer.write({**page, "reason": "unheard of"})
            writer.write({"text": "no reason at all"})
    pages = read(material(*files, made(KINDS.rejects, "web", tmp_path / "rejects")))
    (examples,) = pages.examples.values()
    assert [(example.url, example.is_cut) for example in examples] == [("0", False), ("1", False), ("2", False)]


def test_without_tables_and_rejects_the_funnel_is_read_alone(tmp_path: Path) -> None:
    files = [file for file in make_run(tmp_path / "run") if file.kind == "funnel"]
    pages = read(material(*files))
    assert (pages.tables, pages.examples) == (None, {})


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "funnel.json").write_text("{}")
    with pytest.raises(DataError, match=r"funnel\.json"):
        read(material(made(KINDS.funnel, "web", tmp_path / "funnel.json")))
