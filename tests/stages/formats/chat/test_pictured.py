"""Packed chats with pictures: places of pictures survive packing, and damage is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stages.formats.chat.packed import Example, Placed
from stages.formats.chat.pictured import PICTURES, PicturedRows, PicturedWriter
from stages.shared.errors import DataError


def example(size: int, *pictures: Placed) -> Example:
    return Example(np.arange(size), np.zeros(size, dtype=bool), pictures)


EXAMPLES = [
    example(5),
    example(9, Placed(1, 4, "a" * 32), Placed(6, 2, "b" * 32)),
    example(4, Placed(0, 3, "a" * 32)),
]


def written(folder: Path, *, apart: bool) -> Path:
    with PicturedWriter(folder / "rows.bin", 300) as writer:
        if apart:
            writer.write_apart(EXAMPLES)
        else:
            writer.write(EXAMPLES[:2])
            writer.write(EXAMPLES[2:])
    return folder / "rows.bin"


@pytest.mark.parametrize("apart", [True, False])
def test_examples_come_back_with_their_pictures(apart: bool, tmp_path: Path) -> None:
    rows = PicturedRows(written(tmp_path, apart=apart))
    assert [[*rows.example(number).pictures] for number in range(3)] == [[*each.pictures] for each in EXAMPLES]


def test_places_of_a_row_count_from_its_first_token(tmp_path: Path) -> None:
    rows = PicturedRows(written(tmp_path, apart=False))
    assert rows.pictures(0)["start"].tolist() == [6, 11]
    assert rows.pictures(1).tolist() == [(0, 3, b"a" * 32)]


@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: data[44:] + data[:44]])
def test_a_damaged_file_of_places_is_named(damage, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    path = written(tmp_path, apart=False).with_suffix(PICTURES)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError, match=r"rows\.pictures"):
        PicturedRows(tmp_path / "rows.bin")
