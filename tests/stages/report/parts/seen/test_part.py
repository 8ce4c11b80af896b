"""The part about questions on pictures: its numbers are those of the files, and hostile texts stay texts."""

from __future__ import annotations

from pathlib import Path

from stages.formats.kinds import KINDS
from stages.formats.results import Results, Score, write_results
from stages.formats.seen import Answered, Seen, write_seen
from stages.report.collect import collect
from stages.report.page import render
from stages.report.part import Material, Missing, View
from stages.report.parts.seen.part import MAX_SHOWN, PART, show
from stages.shared.contract import InputFile
from tests.stages.report.journey import START, evaluation_key, made

HOSTILE = "</script><img src=x onerror='window.hit = 1'>{{ 7 * 7 }}"
URL = "data:image/webp;base64,UklGRg=="


def score(value: float, low: float, high: float) -> Score:
    about = {"stderr": 0.05, "samples": 100, "chance": 0.25, "higher_is_better": True}
    return Score(task="colour", metric="acc", value=value, low=low, high=high, **about)


def cell(folder: Path, source: str, blind: str, measured: Score) -> list[InputFile]:
    """Write the files of one cell; return them."""
    unit = f"{source}/colour@chat{',' if blind else ''}{blind}"
    out = folder / unit.replace("/", "-")
    out.mkdir()
    results = Results(key=evaluation_key(source, "colour", variant=blind), scores=(measured,))
    write_results(out / "results.json", results, {})
    pictures = {} if blind == "pictures-none" else {"k": URL}
    answered = [
        Answered(
            task="colour",
            number=number,
            question=f"Which colour? {HOSTILE}",
            pictures=tuple(pictures),
            answer=f"{blind or 'shown'} {number}",
            right="red",
            is_right=not blind,
        )
        for number in range(9)
    ]
    write_seen(out / "seen.json", Seen(pictures=pictures, answered=tuple(answered)))
    return [
        made(KINDS.seen, "exam", out / "seen.json", source, unit),
        made(KINDS.results, "exam", out / "results.json", source, unit),
    ]


def shown(folder: Path, shuffled: Score, value: Score | None = None) -> View:
    files = [
        *cell(folder, "final", "", value or score(0.95, 0.88, 0.98)),
        *cell(folder, "final", "pictures-shuffled", shuffled),
        *cell(folder, "final", "pictures-none", score(0.25, 0.17, 0.34)),
    ]
    found = show(Material(section="exam", files=tuple(files), run_dir=folder, made=START))
    assert isinstance(found, View)
    return found


def test_a_score_stands_beside_its_blind_controls(tmp_path: Path) -> None:
    (row,) = shown(tmp_path, score(0.27, 0.19, 0.36)).values["rows"]
    assert (row.source, row.task, row.metric, row.verdict) == ("final", "colour", "acc", "sees")
    assert [each.value for each in (row.shown, row.shuffled, row.none)] == [0.95, 0.27, 0.25]


def test_a_score_that_stays_without_pictures_is_blind_and_a_control_off_chance_tells_nothing(tmp_path: Path) -> None:
    for name in ("blind", "unclear"):
        (tmp_path / name).mkdir()
    (blind,) = shown(tmp_path / "blind", score(0.27, 0.19, 0.36), score(0.3, 0.2, 0.4)).values["rows"]
    (unclear,) = shown(tmp_path / "unclear", score(0.6, 0.5, 0.7)).values["rows"]
    assert (blind.verdict, unclear.verdict) == ("blind", "unclear")


def test_the_page_shows_pictures_with_answers_and_texts_as_texts(tmp_path: Path) -> None:
    files = (
        *cell(tmp_path, "final", "", score(0.95, 0.88, 0.98)),
        *cell(tmp_path, "final", "pictures-shuffled", score(0.27, 0.19, 0.36)),
    )
    page = render("run", START, collect(files, tmp_path, START, {"seen": PART}))
    assert page.count(f'<img src="{URL}"') == MAX_SHOWN
    assert HOSTILE not in page
    assert "pictures-shuffled 0" in page
    assert "shown 8" not in page


def test_a_section_that_asked_nothing_is_not_run_yet(tmp_path: Path) -> None:
    assert isinstance(show(Material(section="exam", files=(), run_dir=tmp_path, made=START)), Missing)
