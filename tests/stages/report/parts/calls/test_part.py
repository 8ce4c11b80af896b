"""The part about tool calls: its numbers are those of the files, beside the control's."""

from __future__ import annotations

from pathlib import Path

from stages.formats.calls.scores import CallScores, write_call_scores
from stages.formats.kinds import KINDS
from stages.report.collect import collect
from stages.report.page import render
from stages.report.part import Material, Missing, View
from stages.report.parts.calls.part import PART, show, view
from tests.stages.report.journey import START, made


def scores(name: str, correct: int, hallucination: int, wrong: int = 5, **reasons: int) -> CallScores:
    counts = {"correct": correct, "wrong": wrong, "hallucination": hallucination}
    modes = {"published": {**counts, "correct": correct + wrong, "wrong": 0}, "strict": counts}
    return CallScores(answers=name, hub="torchhub", modes=modes, reasons=reasons)


def verdicts(*found: CallScores) -> dict[str, str]:
    return {row.scores.answers: row.verdict for row in view(found).values["rows"] if row.mode == "strict"}


def test_the_numbers_of_the_files_are_on_the_page(tmp_path: Path) -> None:
    files = []
    found = (scores("<b>tuned", 90, 5, first_in_file=2), scores("town-untrained", 3, 92, other_type=3))
    for number, each in enumerate(found):
        write_call_scores(tmp_path / f"{number}.json", each)
        files.append(made(KINDS.call_scores, "score", tmp_path / f"{number}.json"))
    shown = show(Material(section="score", files=tuple(files), run_dir=tmp_path, made=START))
    assert isinstance(shown, View)
    assert [(card.value, card.note) for card in shown.cards] == [(0.9, "of <b>tuned, strict mode")]
    page = render("run", START, collect(tuple(files), tmp_path, START, {"calls": PART}))
    assert "&lt;b&gt;tuned" in page
    assert page.index('data-label="Right" data-value="0.9"') < page.index('data-label="Right" data-value="0.95"')
    assert 'data-label="Hallucinated" data-value="0.92"' in page
    assert page.index('data-reason="other_type"') < page.index('data-reason="first_in_file"')


def test_the_verdict_is_against_every_control() -> None:
    tuned, close = scores("tuned", 90, 5), scores("bm25", 12, 83)
    control, other = scores("tuned/shuffled", 5, 90), scores("Base", 10, 85)
    assert verdicts(tuned, close, control) == {"tuned": "better", "bm25": "no better", "tuned/shuffled": ""}
    assert verdicts(tuned, control, other) == {"tuned": "better", "tuned/shuffled": "", "Base": ""}
    assert verdicts(tuned, scores("baseline", 0, 95)) == {"tuned": "", "baseline": ""}


def test_a_section_that_has_scored_nothing_says_so(tmp_path: Path) -> None:
    shown = show(Material(section="score", files=(), run_dir=tmp_path, made=START))
    assert shown == Missing(label="Not run yet", reason="section score has scored no answers")
