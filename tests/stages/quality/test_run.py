"""The whole stage on the sample world: articles against spam, scores kept, thresholds, bands, sums."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.formats.corpus.quality import read_quality
from stages.formats.documents import DocumentWriter, read_documents
from stages.formats.funnel import read_funnel
from stages.quality.config import QualityConfig, TrainingSettings
from stages.quality.run import auc, histogram
from stages.sample import chinese, chinese_spam, prose, spam
from stages.sample.draw import Draw
from stages.sample.world import make_world
from stages.shared.contract import InputFile
from stages.shared.errors import DataError
from tests.stages.harness import Files, run_stage

SMALL = TrainingSettings(buckets=20_000, heldout=0.3, epochs=20, lr=0.5)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Files]:
    """Return articles and spam of the sample world in both languages, and both together in one file."""
    folder, world = tmp_path_factory.mktemp("world"), make_world(0)
    good = [tongue.article(world, Draw("a", n))[1] for n in range(120) for tongue in (prose, chinese)]
    bad = [
        made.spam(Draw("s", n), list(made.MAKERS)[n % len(made.MAKERS)])[1]
        for n in range(120)
        for made in (spam, chinese_spam)
    ]
    files: dict[str, Files] = {}
    for name, pages in {"good": good, "bad": bad, "documents": [*good[::4], *bad[::4]]}.items():
        with DocumentWriter(folder / f"{name}.jsonl.zst") as writer:
            for number, page in enumerate(pages):
                writer.write({"id": f"{name}{number}", "text": "\n".join(page), "license": "CC0"})
        files[name] = (InputFile(folder / f"{name}.jsonl.zst", "web" if name == "documents" else "", mb=0.1),)
    return files


def test_articles_and_spam_are_told_apart_and_every_score_is_kept(inputs: dict[str, Files], tmp_path: Path) -> None:
    config = QualityConfig(documents="x", good="g", bad="b", threshold=0.5, training=SMALL)
    files = run_stage(config, inputs, tmp_path)
    whole = read_quality(files["quality"][0].path)
    assert whole.measured is not None
    assert whole.measured.auc >= 0.99
    assert sum(whole.measured.heldout) > 100
    assert sum(whole.measured.good) == whole.measured.heldout[0]
    kept = list(read_documents(files["documents"][0].path))
    dropped = sum(read_funnel(files["funnel"][0].path)[0].reasons.values())
    assert len(kept) + dropped == 120 == sum(whole.sources["web"].documents)
    assert all(row["quality"] >= 0.5 and row["license"] == "CC0" for row in kept)
    right = [int(row["id"].removeprefix("documents")) < 60 for row in kept]
    assert sum(right) >= 57
    assert len(right) - sum(right) <= 3
    assert sum(whole.sources["web"].documents[50:]) == len(kept)
    assert {row["reason"] for row in read_documents(files["rejects"][0].path)} == {"low_quality"}


def test_bands_divide_the_documents_and_lose_none(inputs: dict[str, Files], tmp_path: Path) -> None:
    config = QualityConfig(documents="x", good="g", bad="b", bands=(0.2, 0.8), training=SMALL)
    files = run_stage(config, inputs, tmp_path)
    found = {file.source: [row["quality"] for row in read_documents(file.path)] for file in files["documents"]}
    assert sum(map(len, found.values())) == 120
    assert max(found["web/q0"]) < 0.2 <= 0.8 <= min(found["web/q2"])


def test_masks_alone_change_texts_and_are_counted(inputs: dict[str, Files], tmp_path: Path) -> None:
    with DocumentWriter(tmp_path / "d.jsonl.zst") as writer:
        writer.write({"id": "a", "text": "ann@mail.org and bob@mail.org"})
    files = run_stage(
        QualityConfig(documents="x", pii={}),
        {"documents": (InputFile(tmp_path / "d.jsonl.zst", ""),)},
        tmp_path / "run",
    )
    (row,) = read_documents(files["documents"][0].path)
    assert row["text"] == "email@example.com and email@example.com"
    assert read_quality(files["quality"][0].path).masked["emails"] == 2


def test_too_few_documents_to_measure_are_one_error(inputs: dict[str, Files], tmp_path: Path) -> None:
    with DocumentWriter(tmp_path / "few.jsonl.zst") as writer:
        writer.write({"id": "a", "text": "alone"})
    few = (InputFile(tmp_path / "few.jsonl.zst", ""),)
    with pytest.raises(DataError, match="too few documents to train on and to measure"):
        run_stage(QualityConfig(documents="x", good="g", bad="b"), {**inputs, "good": few, "bad": few}, tmp_path)


def test_auc_counts_equal_scores_one_half() -> None:
    assert auc([0.9, 0.5, 0.5, 0.1], [True, True, False, False]) == 0.875
    assert auc([1.0, 1.0], [True, False]) == 0.5


def test_a_score_of_one_is_in_the_last_step() -> None:
    assert histogram([0.0, 0.999, 1.0])[-1] == 2
