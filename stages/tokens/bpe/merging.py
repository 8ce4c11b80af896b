"""BPE of one chunk of characters, compiled: the best pair of neighbours is merged until none is left.

The order is SentencePiece's (bpe_model.cc): the pair whose piece has the highest score, of equal ones the leftmost. A
heap holds the candidates, so a chunk of n characters takes n log n.
"""

from __future__ import annotations

import numpy as np

from stages.text.compiled.arrays import I32, I64
from stages.text.compiled.hash_table import find_slot
from stages.text.compiled.kernels import kernel
from stages.tokens.bpe.vocabulary import Merges, pair_key

SYMBOL, BEFORE, AFTER = 0, 1, 2
"""Rows of a chunk's nodes: the symbol that begins at a place (MERGED: none does), and the places of its neighbours."""
MERGED = -1


@kernel
def sift_up(heap: I64, place: int) -> None:
    """Restore the order of a heap, the smallest number first, after a number was put at its end."""
    value = heap[place]
    while place and heap[(place - 1) // 2] > value:
        heap[place] = heap[(place - 1) // 2]
        place = (place - 1) // 2
    heap[place] = value


@kernel
def sift_down(heap: I64, size: int) -> None:
    """Restore the order of a heap whose first number was replaced."""
    value, place = heap[0], 0
    while True:
        child = 2 * place + 1
        if child + 1 < size and heap[child + 1] < heap[child]:
            child += 1
        if child >= size or heap[child] >= value:
            break
        heap[place] = heap[child]
        place = child
    heap[place] = value


@kernel
def piece_at(merges: Merges, nodes: I32, left: int) -> int:
    """Return the piece that the symbol at a place makes with the next one, or -1."""
    right = nodes[AFTER, left]
    if right < 0:
        return -1
    key = pair_key(nodes[SYMBOL, left], nodes[SYMBOL, right])
    slot = find_slot(merges.pairs, key)
    return merges.merged[slot] if merges.pairs[slot] == key else -1


@kernel
def offer(merges: Merges, nodes: I32, left: int, heap: I64, size: int) -> int:
    """Add the pair that begins at a place, if there is one, to the heap as its rank and place; return the new size."""
    piece = piece_at(merges, nodes, left)
    if piece < 0:
        return size
    heap[size] = np.int64(merges.ranks[piece]) << 32 | left
    sift_up(heap, size)
    return size + 1


@kernel
def merge_symbols(merges: Merges, symbols: I32) -> I32:
    """Return the symbols that a chunk's characters, given as symbols, are merged to, at the places where they begin.

    Places in which nothing begins hold MERGED.
    """
    length = len(symbols)
    nodes = np.empty((3, length), np.int32)
    heap = np.empty(3 * length, np.int64)
    for place in range(length):
        nodes[SYMBOL, place], nodes[BEFORE, place], nodes[AFTER, place] = symbols[place], place - 1, place + 1
    nodes[AFTER, length - 1] = -1
    size = 0
    for place in range(length - 1):
        size = offer(merges, nodes, place, heap, size)
    while size:
        rank, left = heap[0] >> 32, heap[0] & 0xFFFFFFFF
        size -= 1
        heap[0] = heap[size]
        sift_down(heap, size)
        if nodes[SYMBOL, left] == MERGED:
            continue
        piece = piece_at(merges, nodes, left)
        if piece < 0 or merges.ranks[piece] != rank:
            continue  # one of the two symbols has been merged since; the pair of today was offered by itself
        right = nodes[AFTER, left]
        after = nodes[AFTER, right]
        nodes[SYMBOL, left], nodes[SYMBOL, right], nodes[AFTER, left] = piece, MERGED, after
        if after >= 0:
            nodes[BEFORE, after] = left
            size = offer(merges, nodes, left, heap, size)
        if nodes[BEFORE, left] >= 0:
            size = offer(merges, nodes, nodes[BEFORE, left], heap, size)
    symbols_of_places: I32 = nodes[SYMBOL]
    return symbols_of_places
