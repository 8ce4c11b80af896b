"""Encodes texts with a BPE vocabulary many times as fast as SentencePiece, to the same ids.

No merge joins two characters that stand side by side in no piece. So a text falls into chunks (words, runs of Chinese
characters) whose ids do not depend on each other, and a chunk that was seen before is copied. Source: SentencePiece
0.2.3, bpe_model.cc and sentencepiece_processor.cc.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import sentencepiece

from stages.formats.pieces import SPACE
from stages.text.compiled.arrays import I32, I64, U8, U64
from stages.text.compiled.hash_table import find_slot
from stages.text.compiled.hashing import GOLDEN, hash_character
from stages.text.compiled.kernels import kernel
from stages.tokens.bpe.merging import merge_symbols
from stages.tokens.bpe.vocabulary import Merges, pair_key

SLOTS = 1 << 19
"""Slots of the table of known chunks; it is emptied when half of them are filled."""
LETTERS = 1 << 22
"""Characters, and as many ids, that the known chunks have together at most."""
LONGEST = 64
"""Characters of a chunk that is remembered, at most."""
SPACE_CODE = ord(SPACE)


class Known(NamedTuple):
    """Chunks and their ids. Changed by the kernels; what it holds changes their speed alone."""

    hashes: U64
    spans: I64
    """By slot: where the chunk's code points and ids begin, and their numbers."""
    codes: I32
    ids: I32
    filled: I64
    """Chunks, code points and ids in use."""


def empty_known(slots: int = SLOTS, letters: int = LETTERS) -> Known:
    """Return an empty table of known chunks. It takes 54 MB when it is full."""
    return Known(
        np.zeros(slots, np.uint64),
        np.zeros((slots, 4), np.int64),
        np.zeros(letters, np.int32),
        np.zeros(letters, np.int32),
        np.zeros(3, np.int64),
    )


@kernel
def read_codes(text: U8, begin: int, end: int, is_plain: bool, codes: I32) -> int:
    """Write the code points of valid UTF-8 into `codes` and return their number.

    If `is_plain`, spaces become SPACE, and a text that is not empty gets one in front.
    """
    size = 0
    if is_plain and end > begin:
        codes[0] = SPACE_CODE
        size = 1
    place = begin
    while place < end:
        first = np.int32(text[place])
        if first < 0x80:
            codes[size] = SPACE_CODE if is_plain and first == 0x20 else first
            place += 1
        elif first < 0xE0:
            codes[size] = (first & 0x1F) << 6 | (text[place + 1] & 0x3F)
            place += 2
        elif first < 0xF0:
            codes[size] = (first & 0x0F) << 12 | (text[place + 1] & 0x3F) << 6 | (text[place + 2] & 0x3F)
            place += 3
        else:
            codes[size] = (
                (first & 0x07) << 18
                | (text[place + 1] & 0x3F) << 12
                | (text[place + 2] & 0x3F) << 6
                | (text[place + 3] & 0x3F)
            )
            place += 4
        size += 1
    return size


@kernel
def put_unknown(merges: Merges, code: int, ids: I32, count: int, begin: int) -> int:
    """Append a character without a piece: its bytes, or one unknown id for a run of such characters.

    `count` ids are there, those of this text from `begin`; returns the new count.
    """
    byte_ids, unk_id = merges.byte_ids, merges.unk_id
    if not len(byte_ids):
        if count > begin and ids[count - 1] == unk_id:
            return count
        ids[count] = unk_id
        return count + 1
    if code < 0x80:
        ids[count] = byte_ids[code]
        return count + 1
    following = 1 if code < 0x800 else 2 if code < 0x10000 else 3
    lead = (0xC0, 0xE0, 0xF0)[following - 1]
    ids[count] = byte_ids[lead | code >> 6 * following]
    for place in range(following):
        ids[count + 1 + place] = byte_ids[0x80 | (code >> 6 * (following - 1 - place)) & 0x3F]
    return count + 1 + following


@kernel
def put_chunk(merges: Merges, codes: I32, ids: I32, count: int, begin: int) -> int:
    """Append the ids of a chunk that is not known, as `put_unknown` does."""
    symbols = np.empty(len(codes), np.int32)
    for place in range(len(codes)):
        symbols[place] = merges.symbols[codes[place]]
    found = merge_symbols(merges, symbols)
    for place in range(len(codes)):
        symbol = found[place]
        if symbol >= len(merges.ranks) or (symbol < 0 and symbols[place] < 0):
            count = put_unknown(merges, codes[place], ids, count, begin)
        elif symbol >= 0:
            ids[count] = symbol
            count += 1
    return count


@kernel
def remember(known: Known, hashed: np.uint64, codes: I32, ids: I32) -> None:
    """Keep a chunk with its ids. Empties the table first if it is full."""
    if known.filled[0] >= len(known.hashes) // 2 or max(known.filled[1], known.filled[2]) + 4 * LONGEST > len(
        known.codes
    ):
        known.hashes[:] = 0
        known.filled[:] = 0
    slot = find_slot(known.hashes, hashed)
    if known.hashes[slot] == hashed:
        return  # another chunk of the same hash stays
    at_codes, at_ids = known.filled[1], known.filled[2]
    known.hashes[slot] = hashed
    known.spans[slot, 0], known.spans[slot, 1] = at_codes, len(codes)
    known.spans[slot, 2], known.spans[slot, 3] = at_ids, len(ids)
    known.codes[at_codes : at_codes + len(codes)] = codes
    known.ids[at_ids : at_ids + len(ids)] = ids
    known.filled[0] += 1
    known.filled[1] += len(codes)
    known.filled[2] += len(ids)


@kernel
def is_known(known: Known, slot: np.uint64, hashed: np.uint64, codes: I32) -> bool:
    """Return whether a slot of the known chunks holds these code points."""
    if known.hashes[slot] != hashed or known.spans[slot, 1] != len(codes):
        return False
    at = known.spans[slot, 0]
    same = True
    for place in range(len(codes)):
        same &= known.codes[at + place] == codes[place]
    return same


@kernel
def end_of_chunk(merges: Merges, codes: I32, start: int, size: int) -> tuple[int, np.uint64]:
    """Return where the chunk ends that begins at `start` in `size` code points, and its hash."""
    symbols, joined = merges.symbols, merges.joined
    left, hashed = symbols[codes[start]], hash_character(np.uint32(codes[start]))
    place = start + 1
    while place < size and left >= 0:
        right = symbols[codes[place]]
        if right < 0:
            break
        key = pair_key(left, right)
        if joined[find_slot(joined, key)] != key:
            break
        hashed = hashed * GOLDEN + hash_character(np.uint32(codes[place]))
        left = right
        place += 1
    return place, hashed


@kernel
def encode_texts(merges: Merges, known: Known, texts: U8, ends: I64, eos_id: int, ids: I32) -> I64:
    """Write the ids of texts one after another, eos_id behind each if it is not negative; return their numbers."""
    counts = np.empty(len(ends), np.int64)
    longest, begin = 0, 0
    for end in ends:
        longest = max(longest, end - begin)
        begin = end
    codes = np.empty(longest + 1, np.int32)
    hashes, spans, known_ids, byte_fallback = known.hashes, known.spans, known.ids, len(merges.byte_ids) > 0
    count, begin = 0, 0
    for text in range(len(ends)):
        first, start = count, 0
        size = read_codes(texts, begin, ends[text], merges.is_plain, codes)
        begin = ends[text]
        while start < size:
            end, hashed = end_of_chunk(merges, codes, start, size)
            slot = find_slot(hashes, hashed)
            if is_known(known, slot, hashed, codes[start:end]):
                at = spans[slot, 2]
                for place in range(at, at + spans[slot, 3]):
                    ids[count] = known_ids[place]
                    count += 1
            else:
                after = put_chunk(merges, codes[start:end], ids, count, first)
                # Without byte pieces, a run of unknown characters can begin in the chunk before.
                if byte_fallback and end - start <= LONGEST:
                    remember(known, hashed, codes[start:end], ids[count:after])
                count = after
            start = end
        if eos_id >= 0:
            ids[count] = eos_id
            count += 1
        counts[text] = count - first
    return counts


class BpeEncoder:
    """Encodes with one vocabulary; remembers chunks between calls."""

    def __init__(self, merges: Merges, model: bytes, known: Known | None = None) -> None:
        self._merges = merges
        self._pieces = sentencepiece.SentencePieceProcessor(model_proto=model)
        self._known = known or empty_known()

    def encode_batch(self, texts: Sequence[str], eos_id: int = -1) -> tuple[I32, I64]:
        """Return the ids of all texts one after another, and their numbers by text; `eos_id` follows each, if not -1.

        Memory: ten bytes for each byte of text.
        """
        parts = [text.encode("utf-8", errors="replace") for text in texts]
        if not self._merges.is_plain:
            parts = [self._pieces.normalize(part.decode()).encode() for part in parts]
        ends = np.cumsum([len(part) for part in parts], dtype=np.int64)
        ids = np.empty((int(ends[-1]) if parts else 0) + 4 * len(parts), np.int32)
        joined = np.frombuffer(b"".join(parts), np.uint8)
        counts = encode_texts(self._merges, self._known, joined, ends, eos_id, ids)
        return ids[: counts.sum()], counts
