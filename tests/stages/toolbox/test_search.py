from __future__ import annotations

import json
from pathlib import Path

import pytest

from stages.formats.calls.apis import read_apis
from stages.shared.errors import DataError
from stages.toolbox.search import SearchIndex, make_index, open_index, passages_of

PASSAGES = [
    "The Mill of Brook sells flour.",
    "Brook has a bridge, and a bridge keeper.",
    "",
    "蓝色的猫住在磨坊里",
    "The flour is white.",
]
PUBLISHED = Path(__file__).parents[4] / "shared" / "data" / "gorilla"


@pytest.fixture(scope="module")
def index() -> SearchIndex:
    return make_index(PASSAGES)


def test_the_best_passage_comes_first(index: SearchIndex) -> None:
    assert [found.place for found in index.search("A BRIDGE?", 1)] == [1]
    assert [found.place for found in index.search("flour", 9)] == [4, 0]
    assert index.search("蓝色的猫", 1)[0].text == PASSAGES[3]
    assert index.search("zebra", 3) == [] == index.search("", 3)


def test_an_index_in_a_folder_answers_the_same_and_has_the_same_bytes(index: SearchIndex, tmp_path: Path) -> None:
    for name in ("one", "two"):
        make_index(PASSAGES).save(tmp_path / name)
    assert open_index(tmp_path / "one").search("flour of Brook", 5) == index.search("flour of Brook", 5)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes(), path.name


def test_a_folder_without_an_index_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no index of passages"):
        open_index(tmp_path)


def test_passages_without_words_are_refused() -> None:
    with pytest.raises(ValueError, match="no passage has a word"):
        make_index(["", " "])


def test_texts_are_cut_into_passages() -> None:
    assert list(passages_of(["a b  c", "", "d"], 2)) == ["a b", "c", "d"]


def test_published_questions_find_their_domain_more_often_than_chance() -> None:
    if not PUBLISHED.exists():
        pytest.skip("the published questions are not here")
    apis = read_apis(PUBLISHED / "torchhub_api.jsonl")
    documents = make_index([json.dumps(vars(api)) for api in apis])
    questions = [json.loads(line) for line in (PUBLISHED / "torchhub_eval.json").open()]
    right = 0
    for each in questions:
        text = each["code"].partition("###Output")[0].partition("Instruction:")[2]
        right += apis[documents.search(text, 1)[0].place].domain == each["api_data"]["domain"]
    assert right > 0.4 * len(questions)
