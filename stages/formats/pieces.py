"""The pieces of a SentencePiece model, read without the sentencepiece package: `plan` has none. Light.

The file is a protocol buffer whose repeated field 1 has one message a piece, and field 1 of that its text
(sentencepiece_model.proto, ModelProto).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from stages.shared.errors import DataError

TOKENIZER_JSON = "tokenizer.json"
"""File beside a `.model`: the same pieces, as transformers reads them."""
SPACE = "\u2581"
"""A space in the names of pieces."""
PIECE = 1
PIECE_TEXT = 1
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
"""Wire types of protocol buffers."""


def count_pieces(path: Path) -> int:
    """Return the vocabulary's size. Raises DataError if the file is no SentencePiece model."""
    return len(_messages(path))


def read_pieces(path: Path) -> list[str]:
    """Return every piece, in order of id; a space is U+2581. Raises DataError if the file is no SentencePiece model."""
    try:
        return [_text(message) for message in _messages(path)]
    except (ValueError, IndexError) as error:
        raise _not_a_model(path, str(error)) from error


def _messages(path: Path) -> list[bytes]:
    """Return the message of every piece."""
    try:
        messages = [content for number, content in _fields(path.read_bytes()) if number == PIECE]
    except (OSError, ValueError, IndexError) as error:
        raise _not_a_model(path, str(error)) from error
    if not messages:
        raise _not_a_model(path, "it holds no piece")
    return messages


def _text(piece: bytes) -> str:
    return next((text.decode() for number, text in _fields(piece) if number == PIECE_TEXT), "")


def _not_a_model(path: Path, why: str) -> DataError:
    return DataError(path, f"not a SentencePiece model ({why})", "Name the `.model` of a tokenizer stage or of LLaMA")


def _fields(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the number of each of a message's fields, and its content if it is of bytes.

    Raises ValueError or IndexError if it is no message.
    """
    place = 0
    while place < len(data):
        tag, place = _varint(data, place)
        kind, content = tag & 7, b""
        if kind == VARINT:
            _, place = _varint(data, place)
        elif kind == BYTES:
            size, place = _varint(data, place)
            content, place = data[place : place + size], place + size
        elif kind in (FIXED64, FIXED32):
            place += 8 if kind == FIXED64 else 4
        else:
            raise ValueError(f"wire type {kind}")
        if place > len(data):
            raise ValueError("cut short")
        yield tag >> 3, content


def _varint(data: bytes, place: int) -> tuple[int, int]:
    """Return a number and the place behind it."""
    value = shift = 0
    while True:
        byte = data[place]
        value, shift, place = value | (byte & 0x7F) << shift, shift + 7, place + 1
        if byte < 0x80:
            return value, place
        if shift > 63:
            raise ValueError("a number of more than 64 bits")
