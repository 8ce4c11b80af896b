"""The part about labels: its numbers are those of the file, and missing ones are named so."""

from __future__ import annotations

from pathlib import Path

from stages.formats.chat.agreements import Agreement, write_agreement
from stages.formats.kinds import KINDS
from stages.report.collect import collect
from stages.report.page import render
from stages.report.part import Material, Missing, View
from stages.report.parts.agreement.part import PART, show, view
from tests.stages.report.journey import START, made

FOUND = Agreement(
    labellers={"<b>Ada": 3, "Bob": 2},
    **{"items": 3, "shared": 2, "pairs": 4, "ties": 1},
    **{"same": 0.75, "nominal": 0.5, "ordinal": 0.625},
    reasons={"clearer": 2},
)


def test_the_numbers_of_the_file_are_on_the_page(tmp_path: Path) -> None:
    write_agreement(tmp_path / "agreement.json", FOUND)
    files = (made(KINDS.agreement, "label", tmp_path / "agreement.json"),)
    shown = show(Material(section="label", files=files, run_dir=tmp_path, made=START))
    assert isinstance(shown, View)
    assert [card.value for card in shown.cards] == [0.625]
    page = render("run", START, collect(files, tmp_path, START, {"agreement": PART}))
    assert "5 labels of 3 prompts, 2 of them" in page
    assert "&lt;b&gt;Ada" in page
    assert 'Alpha, nominal</th><td class="n" data-label="Value" data-value="0.5"' in page


def test_one_labeller_agrees_with_nobody(tmp_path: Path) -> None:
    alone = Agreement(
        labellers={"Ada": 1}, items=1, shared=0, pairs=0, same=None, nominal=None, ordinal=None, ties=0, reasons={}
    )
    (card,) = view(alone).cards
    assert (card.text, card.value) == ("none", "")
    shown = show(Material(section="label", files=(), run_dir=tmp_path, made=START))
    assert shown == Missing(label="Not run yet", reason="section label has no labels")
