"""Gives runs of spaces pieces of their own, in place of the rarest pieces of a BPE model."""

from __future__ import annotations

from sentencepiece import sentencepiece_model_pb2 as model_pb2

from stages.formats.pieces import SPACE


def with_runs(content: bytes, longest: int) -> bytes:
    """Return a serialized BPE model of as many pieces, with each run of 2 to `longest` spaces among them.

    The new pieces are merged after all others. The last merges make room: no other depends on them.
    """
    model = model_pb2.ModelProto.FromString(content)  # type: ignore[attr-defined]  # made at import
    known = {piece.piece for piece in model.pieces}
    new = [SPACE * count for count in range(2, longest + 1) if SPACE * count not in known]
    if not new:
        return content
    merged = [
        place
        for place, piece in enumerate(model.pieces)
        if piece.type == piece.NORMAL and len(piece.piece) > 1 and set(piece.piece) != {SPACE}
    ]
    for place in sorted(merged, key=lambda place: model.pieces[place].score)[: len(new)][::-1]:
        model.pieces[place].type = model.pieces[place].UNUSED
    kept = [piece for piece in model.pieces if piece.type != piece.UNUSED]
    lowest = min(piece.score for piece in model.pieces)
    entries = [(piece.piece, piece.score, piece.type) for piece in kept]
    entries += [(piece, lowest - number, model.pieces[merged[0]].NORMAL) for number, piece in enumerate(new, start=1)]
    del model.pieces[:]
    for text, score, kind in entries:
        piece = model.pieces.add()
        piece.piece, piece.score, piece.type = text, score, kind
    result: bytes = model.SerializeToString(deterministic=True)
    return result
