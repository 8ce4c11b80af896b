import random
from pathlib import Path
from typing import Any

from datatrove.data import Document

from stages.formats.documents import FIELDS, read_documents
from stages.text.blocks.rejects import SNIPPET, Rejects, to_row


def row(number: int) -> dict[str, Any]:
    return dict.fromkeys(FIELDS, "") | {"id": f"{number:04d}", "text": "t" * 5_000, "language_score": 0.0}


def written(path: Path, order: list[int], per_reason: int) -> list[dict[str, Any]]:
    rejects = Rejects(per_reason)
    for number in order:
        rejects.add("step", f"reason {number % 2}", row(number))
    rejects.write(path)
    return list(read_documents(path))


def test_the_sample_is_bounded_and_does_not_depend_on_the_order_of_pages(tmp_path: Path) -> None:
    order = list(range(200))
    first = written(tmp_path / "a", order, 7)
    random.Random(1).shuffle(order)
    assert written(tmp_path / "b", order, 7) == first
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert [r["reason"] for r in first] == ["reason 0"] * 7 + ["reason 1"] * 7


def test_pages_without_an_id_and_with_the_same_one_are_no_trouble(tmp_path: Path) -> None:
    assert len(written(tmp_path / "a", [3] * 10, 4)) == 4


def test_rows_have_step_and_reason_and_a_short_text(tmp_path: Path) -> None:
    (only,) = written(tmp_path / "a", [0], 5)
    assert set(only) == {*FIELDS, "step", "reason"}
    assert len(only["text"]) == SNIPPET


def test_none_at_all_can_be_asked_for(tmp_path: Path) -> None:
    assert written(tmp_path / "a", [1, 2, 3], 0) == []


def test_a_page_whose_good_extractor_gave_up_says_so_and_others_say_nothing() -> None:
    page = Document("text", "1", metadata={"url": "u", "extractor": "fallback"})
    assert to_row(page)["extractor"] == "fallback"
    page.metadata["extractor"] = "trafilatura"
    assert "extractor" not in to_row(page)
