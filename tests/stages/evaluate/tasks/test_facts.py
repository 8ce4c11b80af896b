import json
from pathlib import Path

import pytest

from stages.evaluate.tasks.facts import read_facts
from stages.shared.errors import DataError

GOOD = {"id": "a", "question": "What?", "choices": ["x", "y"], "answer": 1}


def write(folder: Path, *facts: object) -> Path:
    path = folder / "facts.jsonl"
    path.write_text("".join((fact if isinstance(fact, str) else json.dumps(fact)) + "\n" for fact in facts))
    return path


def test_an_answer_may_be_an_index_or_the_text_of_a_choice(tmp_path: Path) -> None:
    facts = list(read_facts(write(tmp_path, GOOD, {**GOOD, "answer": "y", "heldout": False})))
    assert [fact["answer"] for fact in facts] == [1, 1]
    assert [fact["heldout"] for fact in facts] == [True, False]


@pytest.mark.parametrize(
    "bad",
    [
        "{", "[]", "3", {}, {**GOOD, "answer": 2}, {**GOOD, "answer": -1}, {**GOOD, "answer": True},
        {**GOOD, "answer": "z"}, {**GOOD, "choices": ["x"]}, {**GOOD, "choices": ["x", "x"]},
        {**GOOD, "choices": ["x", " "]}, {**GOOD, "choices": [1, 2]}, {**GOOD, "choices": 7}, {**GOOD, "question": ""},
    ],
)  # fmt: skip
def test_a_bad_fact_is_named_by_file_and_line(tmp_path: Path, bad: object) -> None:
    with pytest.raises(DataError, match=r"facts\.jsonl:2: not a fact"):
        list(read_facts(write(tmp_path, GOOD, bad)))
