"""Megatron's indexed dataset, written here and read by Megatron."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from megatron.core.datasets.indexed_dataset import IndexedDataset

from stages.shared.files import sha256_file
from stages.tokens.indexed import DatasetWriter


@pytest.mark.parametrize(("vocab_size", "dtype"), [(300, np.uint16), (65_500, np.int32), (150_528, np.int32)])
def test_ids_take_the_smallest_type_that_holds_the_vocabulary(tmp_path: Path, vocab_size: int, dtype: type) -> None:
    with DatasetWriter(tmp_path / "x.bin", vocab_size) as writer:
        writer.write([vocab_size - 1, 0, 2])
    dataset = IndexedDataset(str(tmp_path / "x"))
    assert dataset[0].dtype == dtype
    assert dataset[0].tolist() == [vocab_size - 1, 0, 2]


def test_appended_parts_equal_one_dataset_written_at_once(tmp_path: Path) -> None:
    documents = [[5, 2], [2], [7, 8, 9, 2]]
    for name, part in (("one", documents[:1]), ("two", documents[1:]), ("whole", documents)):
        with DatasetWriter(tmp_path / f"{name}.bin", 300) as writer:
            for ids in part:
                writer.write(ids)
    with DatasetWriter(tmp_path / "joined.bin", 300) as writer:
        writer.append(tmp_path / "one.bin")
        writer.append(tmp_path / "two.bin")
    for suffix in (".bin", ".idx"):
        assert sha256_file(tmp_path / f"joined{suffix}") == sha256_file(tmp_path / f"whole{suffix}")
