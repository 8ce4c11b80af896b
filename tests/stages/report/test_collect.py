from pathlib import Path

import pytest

from stages.formats.documents import DocumentWriter
from stages.formats.readings import Reading, write_readings
from stages.report.collect import EXAMPLE_CHARS, collect
from stages.report.data import Missing, Pages
from stages.shared.errors import DataError
from tests.stages.report.journey import REJECTS, START, make_run


def test_everything_a_finished_run_wrote_is_there(tmp_path: Path) -> None:
    data = collect(make_run(tmp_path / "my run"), tmp_path / "my run", START)
    assert data.run == "my run"
    assert isinstance(data.pages, Pages)
    assert data.pages.funnel[0].pages_in == 2400
    assert set(data.pages.examples) == set(REJECTS)
    assert all(e.is_cut and len(e.text) == EXAMPLE_CHARS for es in data.pages.examples.values() for e in es)
    assert not any(isinstance(part, Missing) for part in vars(data).values())


def test_what_is_missing_says_why(tmp_path: Path) -> None:
    data = collect({"web": [], "metrics": []}, tmp_path, START)
    assert data.pages == Missing("the web stage has not finished")
    assert isinstance(data.training, Missing)
    assert data.training.reason.startswith("the pretrain stage has not finished; meanwhile `tensorboard")
    assert data.results == Missing("this recipe does not give the report the output of the evaluate stage")
    assert isinstance(data.attempts, Missing)


def test_readings_are_shown_if_there_are_any(tmp_path: Path) -> None:
    found = [Reading("web", 1_000, 0.75, 1.5)]
    write_readings(tmp_path / "readings.json", found)
    assert collect({"readings": [(tmp_path / "readings.json", "")]}, tmp_path, START).readings == found
    assert not collect({"readings": []}, tmp_path, START).readings


def test_an_empty_file_is_a_part_that_wrote_nothing(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").touch()
    assert collect({"metrics": [(tmp_path / "metrics.jsonl", "")]}, tmp_path, START).training == Missing(
        "the pretrain stage has written nothing"
    )


def test_a_few_examples_of_each_reason_are_kept_and_unknown_reasons_are_left_out(tmp_path: Path) -> None:
    files = make_run(tmp_path / "run")
    with DocumentWriter(tmp_path / "rejects") as writer:
        for number in range(10):
            page = {"id": "", "url": f"{number}", "text": "short", "step": "url"}
            writer.write({**page, "reason": "blocked_domain"})
            writer.write({**page, "reason": "unheard of"})
            writer.write({"text": "no reason at all"})
    data = collect({**files, "rejects": [(tmp_path / "rejects", "")]}, tmp_path, START)
    assert isinstance(data.pages, Pages)
    (examples,) = data.pages.examples.values()
    assert [(example.url, example.is_cut) for example in examples] == [("0", False), ("1", False), ("2", False)]


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "funnel.json").write_text("{}")
    with pytest.raises(DataError, match=r"funnel\.json"):
        collect({"web": [(tmp_path / "funnel.json", "")]}, tmp_path, START)
