"""The card compares the last tokenizer with the first; the page has each source and the unused pieces."""

from __future__ import annotations

from pathlib import Path

from stages.formats.corpus.compression import write_comparison
from stages.formats.kinds import KINDS
from stages.report.part import Material, View
from stages.report.parts.compression.part import show
from tests.stages.formats.corpus.test_compression import FOUND
from tests.stages.report.journey import START, made
from tests.stages.report.test_page import page_of


def test_bytes_a_token_are_shown_by_source_and_in_all(tmp_path: Path) -> None:
    write_comparison(tmp_path / "c", FOUND)
    files = (made(KINDS.compression, "compare", tmp_path / "c"),)
    shown = show(Material(section="compare", files=files, run_dir=tmp_path, made=START))
    assert isinstance(shown, View)
    assert [(card.value, card.note) for card in shown.cards] == [(2.5, "")]
    page = page_of(compression=shown)
    assert '<td class="n" data-label="old" data-value="2.5">2.50' in page
    assert "2 of 300 pieces unused here" in page
    assert "1.200 a word" in page
