import resource
from pathlib import Path

import numpy as np
import pytest

from stages.shared.errors import DataError
from stages.text.dedup.disk_arrays import BLOCK, ColumnsWriter, Rows, RowsWriter


@pytest.mark.parametrize("shape", [(3, 0), (1, 1), (450, 5_003), (1, BLOCK + 1)])
def test_columns_become_rows(tmp_path: Path, shape: tuple[int, int]) -> None:
    whole = np.arange(shape[0] * shape[1], dtype=np.uint64).reshape(shape)
    with ColumnsWriter(tmp_path / "a.npy", shape[0]) as writer:
        for column in whole.T:
            writer.add(column)
    assert np.array_equal(np.load(tmp_path / "a.npy"), whole)
    assert [path.name for path in tmp_path.iterdir()] == ["a.npy"]
    rows = Rows(tmp_path / "a.npy")
    assert rows.shape == shape
    assert np.array_equal(rows.read(shape[0] - 1), whole[-1])


def test_rows_are_appended_and_read_in_blocks(tmp_path: Path) -> None:
    whole = np.arange(3 * 400_000, dtype=np.uint64).reshape(-1, 3)
    with RowsWriter(tmp_path / "a.npy", 3) as writer:
        for start in range(0, len(whole), 123_457):
            writer.add(whole[start : start + 123_457])
    assert np.array_equal(np.load(tmp_path / "a.npy"), whole)
    blocks = list(Rows(tmp_path / "a.npy").blocks())
    assert len(blocks) == 2 and np.array_equal(np.concatenate(blocks), whole)


def test_an_array_of_no_rows_has_no_blocks(tmp_path: Path) -> None:
    with RowsWriter(tmp_path / "a.npy", 2):
        pass
    assert list(Rows(tmp_path / "a.npy").blocks()) == []
    assert np.load(tmp_path / "a.npy").shape == (0, 2)


def test_a_failure_leaves_no_array_of_columns_behind(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), ColumnsWriter(tmp_path / "a.npy", 2):
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"no array", "floats", "cut"])
def test_a_file_that_is_no_such_array_is_named(tmp_path: Path, content: bytes | str) -> None:
    path = tmp_path / "a.npy"
    if content == "floats":
        np.save(path, np.zeros((2, 2)))
    elif content == "cut":
        np.save(path, np.zeros((2, 500), np.uint64))
        path.write_bytes(path.read_bytes()[:-8])
    else:
        assert isinstance(content, bytes)
        path.write_bytes(content)
    with pytest.raises(DataError, match=r"a\.npy"):
        Rows(path).read(1)


def test_more_units_than_a_process_may_open_are_read(tmp_path: Path) -> None:
    for number in range(300):
        np.save(tmp_path / f"{number}.npy", np.array([[number]], np.uint64))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (200, hard))
        rows = [Rows(tmp_path / f"{number}.npy") for number in range(300)]
        assert [int(one.read(0)[0]) for one in rows] == list(range(300))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
