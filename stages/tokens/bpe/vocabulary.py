"""A SentencePiece BPE vocabulary as arrays: characters, merges, and the pairs of characters that merges can join."""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import numpy as np
import sentencepiece
from sentencepiece import sentencepiece_model_pb2 as model_pb2

from stages.text.compiled.arrays import I32, U64
from stages.text.compiled.hash_table import find_slot, table_size
from stages.text.compiled.kernels import kernel

UNICODE = 0x110000
UNKNOWN = -1
"""Symbol of a character that no piece has."""


class Merges(NamedTuple):
    """What the kernels read. A symbol is the id of a piece; characters that only longer pieces have follow the ids."""

    symbols: I32
    """Symbol of each code point, or UNKNOWN."""
    joined: U64
    """Hash set of pairs of characters, as `pair_key` of their symbols, that stand side by side in some piece."""
    pairs: U64
    """Hash table of pairs of symbols that merge; `merged` has the piece."""
    merged: I32
    ranks: I32
    """Rank of each piece by its score, the highest first. Pieces of equal score have equal ranks."""
    byte_ids: I32
    """Piece of each byte; empty without byte fallback."""
    unk_id: int
    is_plain: bool
    """The normaliser puts a space in front of a text that is not empty and leaves the rest as it is."""


@kernel
def pair_key(left: int, right: int) -> np.uint64:
    """Return the key of two symbols; never 0."""
    return (np.uint64(left + 1) << np.uint64(32)) | np.uint64(right + 1)


@kernel
def fill_set(table: U64, keys: U64) -> None:
    """Add keys to an empty hash set."""
    for key in keys:
        table[find_slot(table, key)] = key


@kernel
def fill_map(table: U64, values: I32, keys: U64, items: I32) -> None:
    """Add keys with their items to an empty hash table."""
    for place in range(len(keys)):
        slot = find_slot(table, keys[place])
        table[slot], values[slot] = keys[place], items[place]


def read_vocabulary(model: bytes) -> Merges | None:
    """Return the arrays of a serialized SentencePiece model, or None if only SentencePiece can encode with it.

    That is one of unigrams, whose best path depends on sums of float32 over the whole text, or one with user-defined
    or unused pieces.
    """
    proto: Any = model_pb2.ModelProto.FromString(model)  # type: ignore[attr-defined]  # protobuf makes it at import
    kinds, trainer = type(proto).SentencePiece, type(proto.trainer_spec)
    if proto.trainer_spec.model_type != trainer.BPE or any(
        piece.type in (kinds.USER_DEFINED, kinds.UNUSED) for piece in proto.pieces
    ):
        return None
    ids = {piece.piece: place for place, piece in enumerate(proto.pieces) if piece.type == kinds.NORMAL}
    letters = {letter: ids.get(letter, UNKNOWN) for piece in ids for letter in piece}
    extra = sorted(letter for letter, symbol in letters.items() if symbol == UNKNOWN)
    letters.update({letter: len(proto.pieces) + place for place, letter in enumerate(extra)})
    symbols = np.full(UNICODE, UNKNOWN, np.int32)
    for letter, symbol in letters.items():
        symbols[ord(letter)] = symbol
    joined = {(letters[a], letters[b]) for piece in ids for a, b in itertools.pairwise(piece)}
    known = {**letters, **ids}
    merges = {
        (known[piece[:cut]], known[piece[cut:]]): place
        for piece, place in ids.items()
        for cut in range(1, len(piece))
        if piece[:cut] in known and piece[cut:] in known
    }
    pieces = sentencepiece.SentencePieceProcessor(model_proto=model)
    byte_ids = (
        [pieces.piece_to_id(f"<0x{value:02X}>") for value in range(256)] if proto.trainer_spec.byte_fallback else []
    )
    pairs = np.zeros(table_size(len(merges)), np.uint64)
    merged = np.zeros(len(pairs), np.int32)
    fill_map(pairs, merged, _keys(list(merges)), np.array(list(merges.values()), np.int32))
    sides = np.zeros(table_size(len(joined)), np.uint64)
    fill_set(sides, _keys(sorted(joined)))
    normalizer = proto.normalizer_spec
    return Merges(
        symbols,
        sides,
        pairs,
        merged,
        np.unique([-piece.score for piece in proto.pieces], return_inverse=True)[1].astype(np.int32),
        np.array(byte_ids, np.int32),
        pieces.unk_id(),
        is_plain=not normalizer.precompiled_charsmap
        and normalizer.add_dummy_prefix
        and normalizer.escape_whitespaces
        and not normalizer.remove_extra_whitespaces
        and not proto.trainer_spec.treat_whitespace_as_suffix,
    )


def _keys(pairs: list[tuple[int, int]]) -> U64:
    table = np.array(pairs, np.uint64).reshape(-1, 2) + np.uint64(1)
    return (table[:, 0] << np.uint64(32)) | table[:, 1]
