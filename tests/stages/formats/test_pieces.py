"""Pieces of a SentencePiece model, counted without its package."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.formats.pieces import count_pieces, read_pieces
from stages.formats.tokenizer import Tokenizer
from stages.shared.errors import DataError
from tests.stages.train.corpus import write_corpus


def test_as_many_as_the_package_finds(tmp_path: Path) -> None:
    path = write_corpus(tmp_path) / "tokenizer.model"
    assert count_pieces(path) == Tokenizer(path).vocab_size == 300
    assert read_pieces(path) == Tokenizer(path).pieces()


@pytest.mark.parametrize("content", [b"", b"\x0a", b"\x0a\xff\x01x", b"{}", b"\xff" * 20, b"\x10\x01", b"tokenizer"])
def test_what_is_no_model_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.model"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"x\.model: not a SentencePiece model \("):
        count_pieces(path)


def test_a_piece_that_is_no_message_is_named_by_whoever_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "x.model"
    path.write_bytes(b"\n\x03abc")
    assert count_pieces(path) == 1
    with pytest.raises(DataError, match=r"x\.model: not a SentencePiece model \(cut short\)"):
        read_pieces(path)
