"""Held-out data: the number of sequences of each dataset, and the documents that they are cut from. Pure.

Both follow from the data and the seed alone, so they are the same in every layout and after every restart.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def divide(sequences: int, weights: Sequence[float]) -> list[int]:
    """Return how many of so many sequences fall to each dataset, in proportion to the weights.

    Rounded down, and what is left over goes to those that lost most; of equals to the first.
    """
    exact = [sequences * weight / sum(weights) for weight in weights]
    found = [int(each) for each in exact]
    for number in sorted(range(len(exact)), key=lambda n: found[n] - exact[n])[: sequences - sum(found)]:
        found[number] += 1
    return found


def choose(lengths: NDArray[np.integer], tokens: int, seed: Sequence[int]) -> NDArray[np.int32]:
    """Return drawn documents, in order, that together have at least so many tokens; all if there are not as many.

    `lengths` are the documents' in tokens. Time and memory go with what is drawn, not with the dataset.
    """
    if int(lengths.sum()) <= tokens:
        return np.arange(len(lengths), dtype=np.int32)
    draw = np.random.RandomState(list(seed))
    chosen: set[int] = set()
    while tokens > 0:
        document = int(draw.randint(len(lengths)))
        if document not in chosen:
            chosen.add(document)
            tokens -= int(lengths[document])
    return np.array(sorted(chosen), dtype=np.int32)
