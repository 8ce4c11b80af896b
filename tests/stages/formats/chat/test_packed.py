"""The format of packed chats."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from megatron.core.datasets.indexed_dataset import IndexedDataset

from stages.formats.chat.packed import Example, PackedRows, PackedWriter
from stages.shared.errors import DataError


def example(*tokens: int, learned: int = 1) -> Example:
    """Return an example whose last `learned` tokens are learned."""
    return Example(np.array(tokens), np.arange(len(tokens)) >= len(tokens) - learned)


def test_any_number_of_rows_is_written_in_order(tmp_path: Path) -> None:
    with PackedWriter(tmp_path / "a.bin", 2000) as writer:
        for number in range(1100):
            writer.write([example(*range(number, number + 1 + number % 3)), example(number)])
    rows = PackedRows(tmp_path / "a.bin")
    assert (len(rows), writer.tokens, writer.learned) == (1100, rows.num_tokens, 2200)
    for number in range(1100):
        row = rows.row(number)
        assert row.tokens.tolist() == [*range(number, number + 1 + number % 3), number]
        assert np.flatnonzero(row.is_learned).tolist() == [number % 3, number % 3 + 1]


@pytest.mark.parametrize("vocab_size", [300, 70_000])
def test_rows_and_examples_are_read_as_they_were_written(vocab_size: int, tmp_path: Path) -> None:
    top = vocab_size - 1
    with PackedWriter(tmp_path / "a.bin", vocab_size) as writer:
        writer.write([example(5, 6, 7), example(8, top)])
        writer.write([example(1, 2, 3, 4, learned=2)])
    assert (writer.rows, writer.examples, writer.tokens, writer.learned) == (2, 3, 9, 4)
    rows = PackedRows(tmp_path / "a.bin")
    assert (len(rows), rows.num_tokens, rows.lengths.tolist()) == (2, 9, [3, 2, 4])
    first, second = rows.row(0), rows.row(1)
    assert (first.tokens.tolist(), first.lengths.tolist()) == ([5, 6, 7, 8, top], [3, 2])
    assert first.is_learned.tolist() == [False, False, True, False, True]
    assert second.tokens.tolist() == [1, 2, 3, 4]
    assert rows.example(1).tokens.tolist() == [8, top]
    assert rows.example(2).is_learned.tolist() == [False, False, True, True]
    theirs = IndexedDataset(str(tmp_path / "a"))
    assert [theirs[number].tolist() for number in range(3)] == [[5, 6, 7], [8, top], [1, 2, 3, 4]]
    assert theirs.document_indices.tolist() == [0, 2, 3]


def test_examples_written_apart_are_rows_of_their_own(tmp_path: Path) -> None:
    found = [example(*range(number, number + 1 + number % 3)) for number in range(1100)]
    with PackedWriter(tmp_path / "alone.bin", 2000) as alone, PackedWriter(tmp_path / "apart.bin", 2000) as apart:
        for each in found:
            alone.write([each])
        for part in (found[:700], [], found[700:]):
            apart.write_apart(part)
    assert (apart.rows, apart.examples, apart.tokens, apart.learned) == (1100, 1100, alone.tokens, 1100)
    for end in (".bin", ".idx", ".mask"):
        assert (tmp_path / f"apart{end}").read_bytes() == (tmp_path / f"alone{end}").read_bytes()


def test_a_dataset_may_have_no_rows(tmp_path: Path) -> None:
    with PackedWriter(tmp_path / "none.bin", 300):
        pass
    rows = PackedRows(tmp_path / "none.bin")
    assert (len(rows), rows.num_tokens, len(rows.lengths)) == (0, 0, 0)


def test_a_damaged_dataset_is_named(tmp_path: Path) -> None:
    with PackedWriter(tmp_path / "a.bin", 300) as writer:
        writer.write([example(5, 6, 7)])
    mask = tmp_path / "a.mask"
    mask.write_bytes(b"\1")
    with pytest.raises(DataError, match=r"a\.mask: 1 bytes where its index says 3"):
        PackedRows(tmp_path / "a.bin")
    mask.unlink()
    with pytest.raises(DataError, match=r"a\.mask: not there"):
        PackedRows(tmp_path / "a.bin")
    mask.write_bytes(b"\0\1\1")
    index = tmp_path / "a.idx"
    for broken in (index.read_bytes()[:-1], b"", b"x" * 40):
        index.write_bytes(broken)
        with pytest.raises(DataError, match=r"a\.idx: not an index of packed chats"):
            PackedRows(tmp_path / "a.bin")
