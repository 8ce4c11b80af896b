from pathlib import Path

from stages.formats.chat.mixtures import DrawnCell, Mixture, TaskState, write_mixture
from stages.formats.kinds import KINDS
from stages.report.part import Material, Missing, View
from stages.report.parts.mixture.part import show
from tests.stages.report.journey import START, made


def cell(task: str, share: float, drawn: int) -> DrawnCell:
    return DrawnCell(mixture="m", task=task, style="zero_plain", examples=9, rate=5, share=share, drawn=drawn)


def test_a_share_that_was_drawn_is_beside_the_one_that_was_promised(tmp_path: Path) -> None:
    used = TaskState(state="used", rows=9, examples=9, rejects={"blank_target": 1})
    broken = TaskState(state="broken", rows=2, examples=0, rejects={})
    cells = (cell("t", 0.5, 60), cell("u", 0.5, 40), cell("v", 0.0, 0))
    mixture = Mixture(draws=100, cells=cells, tasks={"t": used, "u": used, "w": broken})
    write_mixture(tmp_path / "mixture.json", mixture)
    files = (made(KINDS.mixture, "instruct", tmp_path / "mixture.json"),)
    shown = show(Material(section="instruct", files=files, run_dir=tmp_path, made=START))
    assert isinstance(shown, View)
    assert [(row.task, row.drawn, row.deviation) for row in shown.values["rows"]] == [
        ("t", 60, 2.0), ("u", 40, -2.0), ("v", 0, 0.0),
    ]  # fmt: skip
    assert [(card.value, card.note) for card in shown.cards] == [(100, "of 2 of 3 tasks")]


def test_a_section_without_a_mixture_has_not_run(tmp_path: Path) -> None:
    shown = show(Material(section="instruct", files=(), run_dir=tmp_path, made=START))
    assert shown == Missing(label="Not run yet", reason="section instruct has drawn no mixture")
