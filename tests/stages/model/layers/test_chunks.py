"""Rows a few at a time."""

from __future__ import annotations

import pytest
import torch

from stages.model.layers.chunks import few_rows


@pytest.mark.parametrize("shape", [(0, 7), (1, 7), (3, 1 << 17), (5, 1 << 19), (1000, 1000)])
def test_every_row_comes_once_and_in_order(shape: tuple[int, int]) -> None:
    rows = torch.empty(shape, device="cpu")
    parts = [rows[few] for few in few_rows(rows)]
    assert sum(len(part) for part in parts) == len(rows)
    assert all(part.numel() <= max(1 << 18, shape[1]) for part in parts)
    assert [part.storage_offset() for part in parts] == sorted(part.storage_offset() for part in parts)
