from pathlib import Path

from datasets import Dataset

from stages.formats.benchmarks.index import DataSet
from stages.formats.benchmarks.layout import CHECKSUMS, splits_of
from stages.formats.benchmarks.write import write_dataset
from stages.shared.files import read_json, sha256_file

ROWS = [{"goal": f"goal {n}", "label": n % 2} for n in range(5)]


def test_equal_rows_make_equal_bytes(tmp_path: Path) -> None:
    data = DataSet("baber/piqa", "")
    one, other = (
        write_dataset(tmp_path / name, data, {"train": ROWS[:2], "validation": ROWS}, None, {}) for name in "ab"
    )
    assert one.relative_to(tmp_path / "a") == other.relative_to(tmp_path / "b")
    assert sorted(path.name for path in one.iterdir()) == sorted(path.name for path in other.iterdir())
    for path in one.iterdir():
        assert path.read_bytes() == (other / path.name).read_bytes()


def test_the_checksums_are_those_of_the_files_and_say_where_the_rows_come_from(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path, DataSet("a/b", "c"), {"test": ROWS}, None, {"files": ["x.jsonl"]})
    found = read_json(folder / CHECKSUMS)
    assert found["made_from"] == {"files": ["x.jsonl"]}
    assert found["files"] == {name: sha256_file(folder / name) for name in ("b-test.arrow", "dataset_info.json")}
    assert splits_of(folder) == {"test": 5}
    assert Dataset.from_file(str(folder / "b-test.arrow")).to_list() == ROWS
