from pathlib import Path

import pytest

from stages.formats.chat.packing import PackedSource, Packing, write_packing
from stages.formats.kinds import KINDS
from stages.report.part import Material, Missing, View
from stages.report.parts.packing.part import show
from tests.stages.report.journey import START, made


def test_the_rows_are_as_full_as_their_tokens_say(tmp_path: Path) -> None:
    source = PackedSource(
        **{"chats": 9, "examples": 7, "rows": 2, "tokens": 14, "learned": 7},
        **{"heldout_examples": 1, "heldout_rows": 1, "heldout_tokens": 3, "lost_tokens": 20},
        counts={"too_long": 1},
    )
    write_packing(tmp_path / "packing.json", Packing(row_tokens=8, sources={"own": source}))
    files = (made(KINDS.packing, "sft", tmp_path / "packing.json"),)
    shown = show(Material(section="sft", files=files, run_dir=tmp_path, made=START))
    assert isinstance(shown, View)
    assert shown.values["sources"] == {"own": source}
    (card,) = shown.cards
    assert card.value == pytest.approx(14 / 16)
    assert "50" in card.note


def test_a_section_without_packed_chats_has_not_run(tmp_path: Path) -> None:
    shown = show(Material(section="sft", files=(), run_dir=tmp_path, made=START))
    assert shown == Missing(label="Not run yet", reason="section sft has packed no chats")
