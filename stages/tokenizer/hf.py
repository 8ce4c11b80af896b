"""Converts a SentencePiece model to a Hugging Face tokenizer.json that gives the same ids.

Special pieces are not declared as added tokens: "</s>" in a page is text, as it is for SentencePiece. The code that
loads the file names them: `PreTrainedTokenizerFast(tokenizer_file=..., bos_token="<s>", eos_token="</s>")`.
"""

from __future__ import annotations

from collections.abc import Sequence

import sentencepiece
from sentencepiece import sentencepiece_model_pb2 as model_pb2
from tokenizers import Tokenizer, decoders, normalizers
from tokenizers.models import BPE, Unigram

from stages.formats.pieces import SPACE


def to_tokenizer_json(model: bytes) -> str:
    """Return tokenizer.json for a serialized SentencePiece model without normalisation."""
    pieces = sentencepiece.SentencePieceProcessor(model_proto=model)
    tokenizer = Tokenizer(_unigram(pieces) if _is_unigram(model) else _bpe(pieces))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend(SPACE), normalizers.Replace(" ", SPACE)])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return tokenizer.to_str(pretty=True) + "\n"


def is_equal(exported: str, model: bytes, lines: Sequence[str]) -> bool:
    """Return whether a tokenizer.json gives a model's ids on lines."""
    pieces, tokenizer = sentencepiece.SentencePieceProcessor(model_proto=model), Tokenizer.from_str(exported)
    return all(
        tokenizer.encode(line, add_special_tokens=False).ids == found
        for line, found in zip(lines, pieces.encode(list(lines)), strict=True)
    )


def _is_unigram(model: bytes) -> bool:
    spec = model_pb2.ModelProto.FromString(model).trainer_spec  # type: ignore[attr-defined]  # made at import
    return bool(spec.model_type == spec.UNIGRAM)


def _bpe(pieces: sentencepiece.SentencePieceProcessor) -> BPE:
    vocab = {pieces.id_to_piece(i): i for i in range(pieces.get_piece_size())}
    unknown = pieces.id_to_piece(pieces.unk_id())
    return BPE(vocab, merges_of(pieces), unk_token=unknown, fuse_unk=True, byte_fallback=True)


def _unigram(pieces: sentencepiece.SentencePieceProcessor) -> Unigram:
    scored = [(pieces.id_to_piece(i), pieces.get_score(i)) for i in range(pieces.get_piece_size())]
    return Unigram(scored, pieces.unk_id(), byte_fallback=True)


def merges_of(pieces: sentencepiece.SentencePieceProcessor) -> list[tuple[str, str]]:
    """Return the merges behind the pieces, the best first.

    SentencePiece joins the two neighbours whose joint piece has the highest score, whatever the two are. So a piece
    stands for every pair of pieces that spells it, and its score (minus its rank) orders the pairs.
    """
    plain = [i for i in range(pieces.get_piece_size()) if not _is_special(pieces, i)]
    scores = {pieces.id_to_piece(i): pieces.get_score(i) for i in plain}
    ids = {pieces.id_to_piece(i): i for i in plain}
    merges = [
        (-scores[piece], ids[piece[:cut]], ids[piece[cut:]])
        for piece in scores
        for cut in range(1, len(piece))
        if piece[:cut] in ids and piece[cut:] in ids
    ]
    return [(pieces.id_to_piece(left), pieces.id_to_piece(right)) for _, left, right in sorted(merges)]


def _is_special(pieces: sentencepiece.SentencePieceProcessor, i: int) -> bool:
    return bool(pieces.is_control(i) or pieces.is_unknown(i) or pieces.is_byte(i))
