from pathlib import Path
from typing import Any

import pytest

from stages.evaluate.catalog.definitions import check_definitions, defined, is_read, owner_of, shipped_variants
from stages.shared.errors import ConfigError, DataError
from tests.stages.evaluate.world import CHOICE, define, questions

FILES = [Path("/own", name) for name in ("a.yaml", "a_b.yaml", "a_b-test.jsonl", "a@x.yaml", "ab.yaml", "_base.yaml")]


def test_definitions_are_named_after_their_files() -> None:
    assert list(defined(FILES)) == ["a", "a_b", "a@x", "ab"]


def test_a_file_belongs_to_the_longest_name_that_it_begins_with() -> None:
    names = defined(FILES)
    assert [owner_of(path, names) for path in FILES] == ["a", "a_b", "a_b", "a@x", "ab", ""]
    assert owner_of(Path("/own/utils.py"), names) == ""


def test_a_group_reads_its_members_and_a_variant_its_file() -> None:
    def read(task: str, variant: str = "") -> list[str]:
        return [path.name for path in FILES if is_read(path, task, variant, defined(FILES))]

    assert read("a") == ["a.yaml", "a_b.yaml", "a_b-test.jsonl", "_base.yaml"]
    assert read("a", "x") == ["a.yaml", "a_b.yaml", "a_b-test.jsonl", "a@x.yaml", "_base.yaml"]
    assert read("ab") == ["ab.yaml", "_base.yaml"]
    assert read("piqa") == []


def test_shipped_variants_are_of_tasks_that_exist() -> None:
    check_definitions(list(shipped_variants().values()))
    assert "boolq@llama" in shipped_variants()


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"task": "other"}, "defines no task 'mine'. Name the file after its `task`"),
        ({"unsafe_code": True}, "runs the model's output as code"),
        ({"dataset_path": "cais/mmlu"}, "opens cais/mmlu on the network. Read rows beside it"),
        ({"dataset_kwargs": {"data_files": {"test": "gone.jsonl"}}}, "reads gone.jsonl, which is not among"),
        ({"dataset_kwargs": {"data_files": ["gone.jsonl"]}}, "reads gone.jsonl, which is not among"),
    ],
)
def test_a_definition_that_cannot_work_is_named_before_anything_is_queued(
    tmp_path: Path, keys: dict[str, Any], message: str
) -> None:
    files = define(tmp_path, "mine", {"test": questions(2)}, **CHOICE)
    check_definitions(files)
    with pytest.raises(DataError, match=message):
        check_definitions(define(tmp_path, "mine", {"test": questions(2)}, **{**CHOICE, **keys}))


def test_a_file_that_is_no_definition_and_a_variant_of_nothing_are_named(tmp_path: Path) -> None:
    (tmp_path / "broken.yaml").write_text("task: [")
    with pytest.raises(DataError, match=r"broken\.yaml: no YAML"):
        check_definitions([tmp_path / "broken.yaml"])
    (tmp_path / "list.yaml").write_text("- task")
    with pytest.raises(DataError, match=r"list\.yaml: no mapping"):
        check_definitions([tmp_path / "list.yaml"])
    (tmp_path / "piqqa@mine.yaml").write_text("doc_to_text: x")
    with pytest.raises(ConfigError, match="a variant of a task that exists; 'piqqa' is none"):
        check_definitions([tmp_path / "piqqa@mine.yaml"])


def test_a_group_of_tasks_that_are_not_beside_it_is_named(tmp_path: Path) -> None:
    (tmp_path / "both.yaml").write_text("group: both\ntask: [both_a, piqa]\n")
    files = [tmp_path / "both.yaml", *define(tmp_path, "both_a", {"test": questions(2)}, **CHOICE)]
    with pytest.raises(DataError, match=r"both\.yaml: a group of 'piqa', which is not among `definitions`"):
        check_definitions(files)
