import random

import numpy as np

from stages.text.compiled.hash_table import find_row_slot, find_slot, table_size


def test_a_table_is_at_most_half_full() -> None:
    assert [table_size(items) for items in (0, 8, 9, 16, 17)] == [16, 16, 32, 32, 64]


def test_every_key_keeps_its_slot_in_a_half_full_table() -> None:
    draw = random.Random(2)
    keys = [draw.randrange(1, 2**64) for _ in range(500)] + [1, 2, 3, 2**64 - 1]
    table = np.zeros(table_size(len(keys)), np.uint64)
    for key in keys:
        table[find_slot(table, np.uint64(key))] = key
    assert len(set(table.tolist())) == len(set(keys)) + 1
    assert all(table[find_slot(table, np.uint64(key))] == key for key in keys)
    assert table[find_slot(table, np.uint64(4))] == 0


def test_rows_are_found_by_keys_that_may_be_zero() -> None:
    keys = np.array([0, 7, 2**63, 5], np.uint64)
    rows = np.full(16, -1, np.int64)
    for row, key in enumerate(keys):
        rows[find_row_slot(rows, keys, key)] = row
    assert [int(rows[find_row_slot(rows, keys, key)]) for key in keys] == [0, 1, 2, 3]
    assert rows[find_row_slot(rows, keys, np.uint64(6))] == -1
