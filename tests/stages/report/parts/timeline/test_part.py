from pathlib import Path

from stages.report.part import Material, Missing, View
from stages.report.parts.timeline.part import show
from tests.stages.report.journey import START, write_ledger


def test_the_card_is_the_wall_time_with_the_attempts(tmp_path: Path) -> None:
    write_ledger(tmp_path)
    shown = show(Material(section="", files=(), run_dir=tmp_path, made=START + 264))
    assert isinstance(shown, View)
    (card,) = shown.cards
    assert (card.id, card.value, card.note) == ("attempts", 28, "28 attempts of 8 jobs, 2 in trouble")
    assert card.text.replace("\u202f", " ") == "4 min 24 s"


def test_a_run_without_a_ledger_says_so(tmp_path: Path) -> None:
    shown = show(Material(section="", files=(), run_dir=tmp_path, made=START))
    assert shown == Missing(label="Not known", reason="this run has no ledger: the launcher did not start it")
