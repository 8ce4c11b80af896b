from pathlib import Path
from typing import Any

from stages.formats.documents import read_documents
from stages.formats.funnel import read_funnel
from stages.formats.kinds import KINDS
from stages.text.dedup.page_hashes import text_hash, url_hash
from stages.text.words.tokens import words
from stages.web.artifacts import PAGE, PAGES
from tests.stages.harness import run_unit, step_folder, unit_folder


def again(sample_run: Any, folder: Path, **settings: Any) -> Path:
    """Filter the first unit again, with other settings and without its WARC file; return the unit's folder."""
    config = sample_run.config.model_copy(update=settings)
    (folder / "steps").mkdir()
    (folder / "steps" / "extract").symlink_to(step_folder(sample_run.folder, "extract"))
    step = next(step for step in config.plan({"inputs": sample_run.warcs}).steps if step.name == "filter")
    run_unit(config, step, 0, {}, folder)
    return unit_folder(folder, "filter", 0)


def test_a_page_has_one_row_for_what_comes_after(sample_run: Any) -> None:
    for place in range(len(sample_run.warcs)):
        folder = unit_folder(sample_run.folder, "filter", place)
        documents = list(read_documents(folder / KINDS.documents.file))
        rows = PAGES.load(folder)
        assert rows.dtype == PAGE
        assert rows["url"].tolist() == [url_hash(document["url"]) for document in documents]
        assert rows["text"].tolist() == [text_hash(document["text"]) for document in documents]
        assert rows["words"].tolist() == [len(words(document["text"])) for document in documents]
        assert rows["strain"].min() >= 0 and rows["strain"].max() <= 1


def test_another_threshold_filters_again_from_what_is_stored(sample_run: Any, tmp_path: Path) -> None:
    before = unit_folder(sample_run.folder, "filter", 0)
    quality = sample_run.config.quality.model_copy(update={"min_words": 130})
    after = again(sample_run, tmp_path, quality=quality)
    kept, still = ({row["id"] for row in read_documents(folder / KINDS.documents.file)} for folder in (before, after))
    assert still < kept
    steps = {step.name: step for step in read_funnel(after / KINDS.funnel.file)}
    assert steps["quality"].reasons["too_few_words"] > len(kept) // 20
    assert [step.name for step in read_funnel(after / KINDS.funnel.file)] == [
        step.name for step in read_funnel(before / KINDS.funnel.file)
    ]


def test_languages_stay_where_they_are_judged_after_deduplication(sample_run: Any, tmp_path: Path) -> None:
    language = sample_run.config.language.model_copy(update={"position": "after", "languages": ("de",)})
    after = again(sample_run, tmp_path, language=language)
    assert len(list(read_documents(after / KINDS.documents.file))) > 100
    assert "language" not in [step.name for step in read_funnel(after / KINDS.funnel.file)]
