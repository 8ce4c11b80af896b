"""Clean scores against a count by hand, and their place on the page."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from stages.formats.corpus.contamination import Contamination, TaskContamination, write_contamination
from stages.formats.kinds import KINDS
from stages.report.part import Material
from stages.report.parts.evaluation.clean import clean_scores, found_questions
from stages.report.parts.evaluation.part import show
from stages.report.parts.evaluation.read import read
from stages.shared.statistics import wilson
from tests.stages.report.journey import START, made
from tests.stages.report.test_page import page_of
from tests.stages.report.training_scores import TASKS, write_training_scores


def material(folder: Path, *more: str) -> Material:
    scores = folder / "-".join(("scores", *more))
    files = write_training_scores(scores, ("step-1", "step-2"), [replace(each, questions=40) for each in TASKS[:2]])
    extra = tuple(made(KINDS.contamination, "decontaminate", folder / name) for name in more)
    return Material(section="evaluate", files=(*files, *extra), run_dir=folder, made=START)


def sums(**tasks: TaskContamination) -> Contamination:
    return Contamination(documents=9, contaminated=2, remove="document", tasks=tasks, sources={}, examples=())


def test_clean_and_found_scores_are_the_means_over_their_questions(tmp_path: Path) -> None:
    results = list(read(material(tmp_path)).values())
    values = results[0].questions("piqa", "acc_norm")
    names = [name.partition("/")[2] for name in list(values)[:10]]
    found = found_questions([sums(piqa=TaskContamination(items=40, short=0, found=dict.fromkeys([*names, "gone"], 2)))])
    rows = clean_scores(results, found)
    assert [(row.full.task, row.checkpoint) for row in rows] == [("piqa", "step-1"), ("piqa", "step-2")]
    first, rest = list(values.values())[:10], list(values.values())[10:]
    row = rows[0]
    assert row.clean is not None and row.found is not None
    assert (row.clean.value, row.clean.questions) == (pytest.approx(sum(rest) / 30), 30)
    assert (row.found.value, row.found.questions) == (pytest.approx(sum(first) / 10), 10)
    assert (row.clean.low, row.clean.high) == wilson(row.clean.value, 30)
    assert set(row.documents.values()) == {2}
    assert (row.full.value * 40) == pytest.approx(row.clean.value * 30 + row.found.value * 10)


def test_a_task_whose_questions_were_all_found_has_no_clean_score(tmp_path: Path) -> None:
    results = list(read(material(tmp_path)).values())
    every = {name: 1 for each in results for name in each.questions("piqa", "acc_norm")}
    assert {row.clean for row in clean_scores(results, every)} == {None}


def test_the_page_names_the_questions_and_says_if_none_was_found(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shown = show(material(folder))
    item = next(iter(read(material(tmp_path / "other")).values())).outcomes["piqa"].items[0]
    write_contamination(folder / "some", sums(piqa=TaskContamination(items=40, short=0, found={item: 3})))
    write_contamination(folder / "none", sums(piqa=TaskContamination(items=40, short=0)))
    page = page_of(evaluation=show(material(folder, "some")))
    assert f"<code>piqa/{item}</code> in 3 documents." in page
    assert 'data-label="Clean"' in page
    assert "none of these tasks is among those found" in page_of(evaluation=show(material(folder, "none")))
    assert "searched" not in page_of(evaluation=shown)
