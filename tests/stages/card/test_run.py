"""The whole card: counts, what the run's other files say, and a page that loads nothing and quotes texts as text."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest

from stages.card.config import CardConfig
from stages.card.run import page
from stages.formats.corpus.cards import read_card
from stages.formats.corpus.contamination import Contamination, TaskContamination, write_contamination
from stages.formats.corpus.quality import Measured, Quality, write_quality
from stages.formats.documents import DocumentWriter
from stages.formats.funnel import StepCount, write_funnel
from stages.formats.kinds import KINDS
from stages.formats.token_counts import write_token_counts
from stages.shared.contract import InputFile
from tests.stages.formats.corpus.test_cards import CARD
from tests.stages.harness import Files, run_stage
from tests.stages.report.browser import CHROMIUM, DRIVER, Browser
from tests.stages.report.journey import made
from tests.stages.report.test_page import HOSTILE

PAGE = {"text": "a page of words", "language": "en", "dump": "CC-MAIN-2024-10"}


@pytest.fixture
def inputs(tmp_path: Path) -> dict[str, Files]:
    """Return documents of two sources, and the other files of their run."""
    rows = {
        "web": [{**PAGE, "id": f"w{number}"} for number in range(3)],
        "books": [{"id": "b", "text": "多佛", "language": "zh", "license": "CC0", "date": "1999-05-01T00:00:00Z"}],
    }
    files = []
    for name, some in rows.items():
        with DocumentWriter(tmp_path / f"{name}.zst") as writer:
            for row in some:
                writer.write(row)
        files.append(InputFile(tmp_path / f"{name}.zst", name))
    write_funnel(tmp_path / "funnel", [StepCount("quality", pages_in=5, pages_out=3, reasons={"too_few_words": 2})])
    sums = Contamination(
        documents=4,
        contaminated=1,
        remove="document",
        tasks={"piqa": TaskContamination(items=10, short=2, found={"a": 1})},
        sources={},
        examples=(),
    )
    write_contamination(tmp_path / "contamination", sums)
    measured = Measured(trained=(1, 1), heldout=(1, 1), auc=0.995, good=[], bad=[])
    write_quality(tmp_path / "quality", Quality(measured=measured, masked={"emails": 7}))
    write_token_counts(tmp_path / "tokens", {"web": {"documents": 3, "tokens": 15, "heldout_documents": 0}})
    others = (
        made(KINDS.funnel, "web", tmp_path / "funnel"),
        made(KINDS.contamination, "clean", tmp_path / "contamination"),
        made(KINDS.quality, "picked", tmp_path / "quality"),
        made(KINDS.token_counts, "tokens", tmp_path / "tokens"),
        made(KINDS.funnel, "later", tmp_path / "not made yet"),
    )
    return {"documents": tuple(files), "of": others}


def test_a_card_has_what_was_counted_and_what_the_run_says(inputs: dict[str, Files], tmp_path: Path) -> None:
    config = CardConfig.model_validate(
        {"documents": "x", "gaps": ["No code."], "notes": {"web": {"licence": "terms of Common Crawl"}}}
    )
    files = run_stage(config, inputs, tmp_path / "run")
    card = read_card(files["card"][0].path)
    books, web = card.sources
    assert (web.documents, web.bytes, web.words, web.licence) == (3, 45, 12, "terms of Common Crawl")
    assert (books.words, books.languages, books.licences, books.dates) == (2, {"zh": 1}, {"CC0": 1}, {"1999-05": 1})
    assert [(step.step, step.documents_in - step.documents_out) for step in card.steps] == [("quality", 2)]
    assert [(task.task, task.items, task.found, task.short) for task in card.contamination] == [("piqa", 10, 1, 2)]
    assert (card.quality, card.masked, card.tokens) == ({"picked": 0.995}, {"emails": 7}, {"web": 15})
    assert card.gaps == ["No code.", "2 questions of evaluations are too short to look for."]
    text = files["card_page"][0].path.read_text()
    assert "1999-05 to 1999-05" in text
    assert "AUC 0.995" in text


def test_texts_of_a_card_stay_text() -> None:
    card = copy.deepcopy(CARD)
    card.sources[0].languages = dict.fromkeys(HOSTILE, 1)
    card.sources[0].about = HOSTILE[0]
    text = page(card)
    assert "<script" not in text
    assert "<img" not in text
    assert "A &lt;corpus&gt;" in text


@pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="no chromium and chromedriver on PATH")
def test_the_page_fits_a_telephone_and_a_desk_and_logs_nothing(inputs: dict[str, Files], tmp_path: Path) -> None:
    files = run_stage(CardConfig(documents="x"), inputs, tmp_path / "run")
    with Browser(tmp_path / "profile") as browser:
        for width in (390, 1280):
            browser.open(files["card_page"][0].path, width)
            assert browser.ask("return document.documentElement.scrollWidth") <= width
        assert browser.ask("return document.querySelectorAll('[data-source]').length") == 2
        assert browser.complaints() == []
