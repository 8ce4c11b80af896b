"""The sample's curated sources through the readers of `curated`: what is planted is found, and the bytes are fixed."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.curated.books.config import BooksConfig
from stages.curated.code.config import CodeConfig
from stages.curated.settings import CuratedSettings
from stages.curated.stackexchange.config import StackExchangeConfig
from stages.curated.wikipedia.config import WikipediaConfig
from stages.sample.curated.config import SampleCuratedConfig
from stages.sample.world import PLACES, make_world
from stages.shared.contract import InputFile
from tests.stages.curated.sources import run
from tests.stages.harness import run_stage

Files = dict[str, tuple[InputFile, ...]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return run_stage(SampleCuratedConfig(articles=100), {}, tmp_path_factory.mktemp("sample"))


@pytest.mark.parametrize(
    ("config", "kind", "place", "documents", "reasons"),
    [
        (WikipediaConfig(files="x"), "wiki_dumps", 0, 86, {"redirect": 10, "disambiguation": 4}),
        (WikipediaConfig(files="x"), "wiki_dumps", 1, 43, {"redirect": 5, "disambiguation": 2}),
        (StackExchangeConfig(files="x"), "posts", 0, 100, {}),
        (BooksConfig(files="x"), "books", 0, 2, {"exact_duplicate": 1}),
        (
            CodeConfig(files="x", distinct={"near": "none"}),
            "repositories",
            0,
            len(PLACES),
            {"generated": 1, "not_code": 1},
        ),
    ],
)
def test_every_planted_item_has_its_fate(
    config: CuratedSettings, kind: str, place: int, documents: int, reasons: dict[str, int], made: Files, tmp_path: Path
) -> None:
    found = run(config, tmp_path, made[kind][place].path)
    assert (len(found.documents), found.reasons) == (documents, reasons)
    assert not any(mark in row["text"] for row in found.documents for mark in ("[[", "{{", "<ref", "***"))


def test_right_answers_come_first(made: Files, tmp_path: Path) -> None:
    values = {(fact.place, fact.attribute): fact.value for fact in make_world(1).facts}
    found = run(StackExchangeConfig(files="x"), tmp_path, made["posts"][0].path)
    for row in found.documents:
        question, _, answers = row["text"].partition("\n\nA: ")
        place, attribute = next((p, a) for p, a in values if f"the {a} of {p}?" in question)
        assert answers.split("\n\nA: ")[0].endswith(f"{attribute} = {values[place, attribute]}")


def test_the_bytes_are_the_same_again(made: Files, tmp_path: Path) -> None:
    again = run_stage(SampleCuratedConfig(articles=100), {}, tmp_path)
    for kind, files in made.items():
        assert [file.path.read_bytes() for file in files] == [file.path.read_bytes() for file in again[kind]]
