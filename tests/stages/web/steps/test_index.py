from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stages.formats.documents import read_documents
from stages.formats.funnel import read_funnel
from stages.formats.kinds import KINDS
from stages.shared.contract import InputFile
from stages.text.dedup.page_hashes import url_hash
from stages.web.seen_index import SeenIndex, open_index
from stages.web.unit_findings import removed_reasons
from tests.stages.harness import run_unit, step_folder, unit_folder
from tests.stages.web.fuzzy import edited, find_duplicates, random_text, write_filtered, write_index

METHODS = ({"preset": "fineweb"}, {}, {"method": "simhash", "simhash_distance": 8, "simhash_blocks": 10})


def opened(*paths: Path) -> SeenIndex:
    return open_index([InputFile(path, "index") for path in paths])


def texts(seed: int, count: int) -> list[list[str]]:
    random = np.random.default_rng(seed)
    return [random_text(random, 200) for _ in range(count)]


@pytest.mark.parametrize("dedup", METHODS)
def test_a_later_run_keeps_only_what_is_new(tmp_path: Path, dedup: dict[str, object]) -> None:
    random = np.random.default_rng(1)
    old, new = texts(2, 30), texts(3, 20)
    write_filtered(tmp_path / "a", [[" ".join(words) for words in old[:20]], [" ".join(words) for words in old[10:]]])
    index = write_index(tmp_path / "a", dedup, find_duplicates(tmp_path / "a", dedup))
    again = [" ".join(words) for words in old[:15]]
    close = [" ".join(edited(random, words, 1)) for words in old[15:]]
    fresh = [" ".join(words) for words in new]
    write_filtered(tmp_path / "b", [[*again, *fresh], [*close, *fresh[:5]]])
    removed = find_duplicates(tmp_path / "b", dedup, seen=[index])
    why = dict(zip(removed[:, 0].tolist(), removed_reasons(removed), strict=True))
    assert [why.get(page) for page in range(15)] == ["seen_before"] * 15
    assert [why.get(page) for page in range(15, 35)] == [None] * 20
    assert [why.get(page) for page in range(35, 50)] == ["seen_before"] * 15
    assert [why.get(page) for page in range(50, 55)] == ["exact_duplicate"] * 5


def test_the_same_crawl_again_gives_no_document_again(sample_run: Any, tmp_path: Path) -> None:
    first = tmp_path / "first"
    (first / "steps").mkdir(parents=True)
    for done in step_folder(sample_run.folder, "").parent.iterdir():
        (first / "steps" / done.name).symlink_to(done)
    config = sample_run.config.model_copy(update={"write_index": True})
    run_steps(config, {"inputs": sample_run.warcs}, first, ["index"])
    index = unit_folder(first, "index", 0) / KINDS.index.file
    again = tmp_path / "again"
    (again / "steps").mkdir(parents=True)
    for name in ("extract", "filter", "signatures"):
        (again / "steps" / name).symlink_to(step_folder(sample_run.folder, name))
    config = sample_run.config.model_copy(update={"seen": str(index)})
    inputs = {"inputs": sample_run.warcs, "seen": (InputFile(index, "index"),)}
    run_steps(config, inputs, again, ["buckets", "cluster", "substrings", "urls", "documents"])
    # An index has what was kept. Pages of which too little was left had their text from others, that are gone now.
    cut = {row["id"] for row in sample_run.rows("rejects") if row["step"] == "substrings"}
    for place in range(len(sample_run.warcs)):
        folder = unit_folder(again, "documents", place)
        assert {row["id"] for row in read_documents(folder / KINDS.documents.file)} <= cut
        reasons_given = {name for step in read_funnel(folder / KINDS.funnel.file) for name in step.reasons}
        assert "seen_before" in reasons_given and "near_duplicate" not in reasons_given


def run_steps(config: Any, inputs: Any, folder: Path, names: list[str]) -> None:
    for step in config.plan(inputs).steps:
        if step.name in names:
            for place in range(len(step.units)):
                run_unit(config, step, place, inputs, folder)


def test_a_page_that_only_resembles_a_page_seen_before_goes_with_its_group(tmp_path: Path) -> None:
    """Each page of a chain resembles the next; the index has the first, and the last has half of its words."""
    (words,) = texts(4, 1)
    chain = [" ".join(words[: round(200 * 0.87**step)]) for step in range(6)]
    write_filtered(tmp_path / "a", [chain[:1]])
    index = write_index(tmp_path / "a", {}, find_duplicates(tmp_path / "a", {}))
    for name, pages in (("alone", chain[-1:]), ("chain", chain[:0:-1])):
        write_filtered(tmp_path / name, [pages])
    assert len(find_duplicates(tmp_path / "alone", {}, seen=[index])) == 0
    assert removed_reasons(find_duplicates(tmp_path / "chain", {}, seen=[index])) == ["seen_before"] * 5


def test_several_earlier_runs_count(tmp_path: Path) -> None:
    pages = [" ".join(words) for words in texts(5, 4)]
    indexes = []
    for number in range(2):
        write_filtered(tmp_path / f"old{number}", [[pages[number]]])
        find_duplicates(tmp_path / f"old{number}", {})
        indexes.append(write_index(tmp_path / f"old{number}", {}, np.empty((0, 3), np.uint64)))
    write_filtered(tmp_path / "new", [pages])
    assert find_duplicates(tmp_path / "new", {}, seen=indexes)[:, 0].tolist() == [0, 1]
    hashes = np.array([url_hash("http://site0.example/0"), url_hash("http://site0.example/9")], np.uint64)
    assert opened(*indexes).knows_urls(hashes).tolist() == [True, False]
