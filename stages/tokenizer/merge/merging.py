"""Adds the pieces of one SentencePiece model to another, as Chinese-LLaMA-Alpaca's merge_tokenizers.py does."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # protobuf ships no types
from sentencepiece import sentencepiece_model_pb2 as model_pb2

from stages.shared.errors import DataError


def merged(base: Path, added: Path, order: Literal["last", "first"]) -> bytes:
    """Return the serialized model `base` with the normal pieces of `added` that it lacks at its end, in their order.

    Scores: with `first` 0, as published; with `last` below the lowest of the base, each lower than the one before.
    Raises DataError if a file is no SentencePiece model, the base is not of BPE, or nothing would be added.
    """
    model, other = _read(base), _read(added)
    if model.trainer_spec.model_type != model.trainer_spec.BPE:
        remedy = "Add pieces to a BPE model, as LLaMA's is; its pieces may come from unigrams"
        raise DataError(base, "a model of unigrams: a new piece would change how all texts are cut", remedy)
    known = {piece.piece for piece in model.pieces}
    new = [piece.piece for piece in other.pieces if piece.type == piece.NORMAL and piece.piece not in known]
    if not new:
        raise DataError(added, f"all its pieces are in {base}", "Name the tokenizer whose pieces are to be added")
    lowest = min(piece.score for piece in model.pieces)
    for number, piece in enumerate(dict.fromkeys(new), start=1):
        entry = model.pieces.add()
        entry.piece = piece
        entry.score = 0.0 if order == "first" else lowest - number
    model.trainer_spec.vocab_size = len(model.pieces)
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def _read(path: Path) -> Any:
    try:
        model: Any = model_pb2.ModelProto.FromString(path.read_bytes())  # type: ignore[attr-defined]  # made at import
    except (OSError, DecodeError) as error:
        remedy = "Train it with the tokenizer stage, or name a SentencePiece `.model`"
        raise DataError(path, f"not a SentencePiece model ({error})", remedy) from error
    if not model.pieces:
        raise DataError(path, "a SentencePiece model without pieces", "Train it with the tokenizer stage")
    return model
