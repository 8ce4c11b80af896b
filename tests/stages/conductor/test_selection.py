from __future__ import annotations

import json
from pathlib import Path

import pytest

from stages.conductor.selection import Entry, candidates, choice_of, read_catalogue

CATALOGUE = Path(__file__).parents[4] / "shared" / "data" / "hugginggpt" / "p0_models.jsonl"
SHOWN = [Entry("a/b", "translation", 1, 1, ""), Entry("c", "translation", 1, 1, "")]


def test_the_candidates_of_all_published_tasks_are_their_first_models_in_order() -> None:
    if not CATALOGUE.exists():
        pytest.skip("the published catalogue is not here")
    catalogue = read_catalogue(CATALOGUE)
    records = [json.loads(line) for line in CATALOGUE.open()]
    tasks = list(dict.fromkeys(record["task"] for record in records))
    assert (len(catalogue), len(tasks)) == (673, 24)
    for task in tasks:
        wanted = [record["id"] for record in records if record["task"] == task]
        found = candidates(catalogue, task)
        assert [entry.id for entry in found] == wanted[:5]
        assert [entry.id for entry in candidates(catalogue, task, order="likes")] == wanted[:5]
        assert [entry.id for entry in candidates(catalogue, task, available=wanted[8:])] == wanted[8:10]
        assert all(len(entry.description) <= 100 for entry in found)


def test_downloads_order_the_candidates_where_that_is_asked() -> None:
    entries = [Entry("few", "t", 9, 1, ""), Entry("many", "t", 1, 9, ""), Entry("other", "u", 9, 9, "")]
    assert [entry.id for entry in candidates(entries, "t", order="downloads")] == ["many", "few"]
    assert candidates(entries, "t", available=[]) == []


@pytest.mark.parametrize(
    ("reply", "id_", "reason"),
    [
        ('{"id": "a/b", "reason": "it\'s best"}', "a/b", "it's best"),
        ('{"id":"c"} or {"id":"a/b"}', "c", ""),
        ('I take {"id": "x"}, no: {"id": "c", "reason": "new"}.', "c", "new"),
        ("none of them", "a/b", "the reply names no candidate: the first one is taken"),
    ],
)
def test_a_choice_is_the_first_object_that_names_a_candidate(reply: str, id_: str, reason: str) -> None:
    assert choice_of(reply, SHOWN) == (id_, reason)


def test_without_candidates_there_is_no_choice() -> None:
    with pytest.raises(ValueError, match="no candidates"):
        choice_of("{}", [])
