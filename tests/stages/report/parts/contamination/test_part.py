"""The table of tasks, passages to read, and texts from the web that stay text."""

from __future__ import annotations

from pathlib import Path

from stages.formats.corpus.contamination import Contamination, Shared, TaskContamination, write_contamination
from stages.formats.kinds import KINDS
from stages.report.part import Material, View
from stages.report.parts.contamination.part import show, view
from tests.stages.report.journey import START, made
from tests.stages.report.test_page import HOSTILE, page_of

TEXTS = [text.encode("utf-8", "replace").decode() for text in HOSTILE]
SUMS = Contamination(
    documents=1000,
    contaminated=3,
    remove="passage",
    tasks={
        "piqa": TaskContamination(items=40, short=2, found={"ab": 3, "cd": 1}),
        "facts": TaskContamination(items=5, short=0),
    },
    sources={"web": 3, "books": 0},
    examples=tuple(Shared(task="piqa", item="ab", document=t, source=t, words=13, passage=t) for t in TEXTS),
)


def test_the_card_counts_the_questions_found_and_the_documents(tmp_path: Path) -> None:
    write_contamination(tmp_path / "sums", SUMS)
    files = (made(KINDS.contamination, "clean", tmp_path / "sums"),)
    shown = show(Material(section="clean", files=files, run_dir=tmp_path, made=START))
    assert isinstance(shown, View)
    (card,) = shown.cards
    assert (card.value, card.note) == (2, "in 3 documents of 1,000")


def test_the_page_has_each_task_and_quotes_passages_as_text() -> None:
    page = page_of(contamination=view(SUMS))
    assert '<td class="n" data-label="Found" data-value="2">' in page
    assert "These passages were cut out of the documents" in page
    assert "<img" not in page
    assert "window.hit = 1</script>" not in page
    assert "books" not in page
