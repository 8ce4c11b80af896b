from pathlib import Path

import pytest

from stages.shared.contract import InputFile
from stages.shared.errors import DataError
from stages.synthesize.pool import Instruction, families, read_instructions, read_seeds, write_rows
from tests.launching import DATA

SEEDS = DATA / "instruct" / "seed_tasks.jsonl"


def test_instructions_are_read_as_they_were_written(tmp_path: Path) -> None:
    rows = [Instruction(id="a", instruction="一"), Instruction(id="b", instruction="x", parents=("a",), round=1)]
    write_rows(tmp_path / "rows", rows)
    assert read_instructions(tmp_path / "rows") == rows


@pytest.mark.skipif(not SEEDS.exists(), reason="the published seeds are not here")
def test_the_published_seeds_are_read_whole() -> None:
    seeds, others = read_seeds([InputFile(SEEDS, "")])
    assert (len(seeds), len(others)) == (175, 0)
    assert seeds[1].output.startswith("The relation between")


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("{", r"seeds.jsonl:1: "),
        ('{"id": 1}', r"seeds.jsonl:1: not a seed task \(KeyError\('instruction'\)\)"),
        ('\n{"instruction": "x", "instances": []}', "seeds.jsonl:2: a seed task without an instruction or an instance"),
        ('{"instruction": "x", "instances": [{"input": 1, "output": "y"}]}', "not a seed task"),
        ("", "no seed task"),
    ],
)
def test_another_record_is_one_sentence(tmp_path: Path, text: str, match: str) -> None:
    path = tmp_path / "seeds.jsonl"
    path.write_text(text)
    with pytest.raises(DataError, match=match):
        read_seeds([InputFile(path, "")])


def test_instances_of_a_seed_have_ids_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    path.write_text('{"instruction": "x", "instances": [{"output": "y"}, {"input": "i", "output": "z"}]}')
    (seed,), (other,) = read_seeds([InputFile(path, "")])
    assert (seed.id, other.id, other.input) == ("s.jsonl/1", "s.jsonl/1.1", "i")


def test_a_family_has_ancestors_before_the_child_and_ends_at_a_limit() -> None:
    known = {"s": Instruction(id="s", instruction="seed")}
    for number in range(40):
        parents = (f"m{number - 1}" if number else "s", "s")
        known[f"m{number}"] = Instruction(id=f"m{number}", instruction=str(number), parents=parents, round=number)
    (first, second) = families(known, ["m1", "m39"])
    assert [relative.id for relative in first] == ["s", "m0", "m1"]
    assert second[-1].id == "m39"
    assert len(second) == 12
