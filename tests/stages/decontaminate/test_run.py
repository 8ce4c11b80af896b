"""The whole stage: planted items are found whatever their form, removed as asked, and named in the sums."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.decontaminate.config import DecontaminateConfig
from stages.formats.corpus.contamination import Contamination, Item, read_contamination, read_shared, write_items
from stages.formats.documents import DocumentWriter, read_documents
from stages.formats.funnel import read_funnel
from stages.shared.contract import InputFile
from stages.shared.errors import DataError
from tests.stages.harness import Files, run_stage
from tests.stages.text.overlap.planting import Planted, plant

Made = tuple[Planted, dict[str, Files]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Return documents with planted items, in two files, and the items."""
    folder = tmp_path_factory.mktemp("planted")
    planted = plant(items=20, documents=200)
    inputs = []
    for part in (0, 1):
        path = folder / f"{part}.jsonl.zst"
        with DocumentWriter(path) as writer:
            for number in range(part, len(planted.texts), 2):
                writer.write({"id": f"d{number}", "text": planted.texts[number], "source": "web", "score": number})
        inputs.append(InputFile(path, "web", mb=0.1))
    write_items(
        folder / "items.jsonl", [Item(task="t", item=f"i{n}", text=text) for n, text in enumerate(planted.items)]
    )
    return planted, {"documents": tuple(inputs), "items": (InputFile(folder / "items.jsonl", ""),)}


def sums_of(files: dict[str, Files]) -> Contamination:
    (file,) = files["contamination"]
    return read_contamination(file.path)


def test_documents_with_items_are_removed_and_all_others_stay_as_they_were(made: Made, tmp_path: Path) -> None:
    planted, inputs = made
    files = run_stage(DecontaminateConfig(documents="x", items="y"), inputs, tmp_path)
    kept = [row for file in files["documents"] for row in read_documents(file.path)]
    expected = [number for part in (0, 1) for number in range(part, 200, 2) if number not in planted.places]
    assert [row["id"] for row in kept] == [f"d{number}" for number in expected]
    assert all(row["text"] == planted.texts[row["score"]] and row["source"] == "web" for row in kept)
    found = {(each.document, each.item) for file in files["overlaps"] for each in read_shared(file.path)}
    assert found == {(f"d{place}", f"i{item}") for place, item in planted.places.items()}
    sums = sums_of(files)
    assert (sums.documents, sums.contaminated, sums.sources) == (200, 20, {"web": 20})
    assert sums.tasks["t"].found == {f"i{item}": 1 for item in range(20)}
    dropped = [read_funnel(file.path)[0].reasons for file in files["funnel"]]
    assert sum(reasons.get("contaminated", 0) for reasons in dropped) == 20
    assert {row["reason"] for file in files["rejects"] for row in read_documents(file.path)} == {"contaminated"}


def test_passages_alone_are_removed_with_their_margin(made: Made, tmp_path: Path) -> None:
    planted, inputs = made
    config = DecontaminateConfig(documents="x", items="y", remove="passage", margin_chars=30, min_chars=50)
    files = run_stage(config, inputs, tmp_path)
    rows = {row["id"]: row["text"] for file in files["documents"] for row in read_documents(file.path)}
    assert len(rows) == 200
    for place in planted.places:
        text = rows[f"d{place}"]
        assert 100 < len(text) < len(planted.texts[place])
        assert all(line in planted.texts[place] for line in text.split("\n\n"))
    assert all(rows[f"d{place}"] == planted.texts[place] for place in range(200) if place not in planted.places)
    again = run_stage(config, {**inputs, "documents": files["documents"]}, tmp_path / "again")
    assert sums_of(again).contaminated == 0


def test_nothing_is_removed_but_counted_where_that_is_asked(made: Made, tmp_path: Path) -> None:
    _, inputs = made
    files = run_stage(DecontaminateConfig(documents="x", items="y", remove="nothing"), inputs, tmp_path)
    assert sum(1 for file in files["documents"] for _ in read_documents(file.path)) == 200
    assert sums_of(files).contaminated == 20
    assert sum(read_funnel(file.path)[0].notes["contaminated"] for file in files["funnel"]) == 20


def test_a_document_without_an_id_is_named(made: Made, tmp_path: Path) -> None:
    with DocumentWriter(tmp_path / "bad.jsonl.zst") as writer:
        writer.write({"text": "no id"})
    inputs = {**made[1], "documents": (InputFile(tmp_path / "bad.jsonl.zst", ""),)}
    with pytest.raises(DataError, match=r"bad\.jsonl\.zst:1: a document without an id"):
        run_stage(DecontaminateConfig(documents="x", items="y"), inputs, tmp_path / "run")
