"""Best-fit packing: which examples share a row. Pure.

Best fit decreasing: the longest example first, each into the fullest row that still has room for it. The rows' free
places are kept as bits of one number, so that an example costs a few operations whatever the number of rows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def best_fit(lengths: Sequence[int] | NDArray[np.integer], capacity: int) -> list[list[int]]:
    """Return the rows, each with the numbers of its examples, the longest first.

    Of equally long examples the first comes first: the same lengths give the same rows. Raises ValueError for an
    example that is empty or longer than a row.
    """
    sizes = np.asarray(lengths, dtype=np.int64)
    if sizes.size and not 0 < sizes.min() <= sizes.max() <= capacity:
        raise ValueError(f"examples of {sizes.min()} to {sizes.max()} tokens: a row holds 1 to {capacity}")
    rows: list[list[int]] = []
    by_room: dict[int, list[int]] = defaultdict(list)
    rooms = 0  # bit n is set if a row has room for n tokens
    order = np.argsort(-sizes, kind="stable").tolist()
    for number, size in zip(order, sizes[order].tolist(), strict=True):
        fitting = rooms >> size
        if fitting:
            room = size + (fitting & -fitting).bit_length() - 1
            row = by_room[room].pop()
            if not by_room[room]:
                rooms ^= 1 << room
            rows[row].append(number)
        else:
            room, row = capacity, len(rows)
            rows.append([number])
        if left := room - size:
            by_room[left].append(row)
            rooms |= 1 << left
    return rows
