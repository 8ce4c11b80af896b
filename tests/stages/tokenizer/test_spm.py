"""SentencePiece's settings, and our messages for its errors."""

from __future__ import annotations

from pathlib import Path

import pytest
import sentencepiece

from stages.formats.tokenizer import Tokenizer
from stages.shared.contract import InputFile
from stages.shared.errors import ConfigError, DataError
from stages.tokenizer import spm
from stages.tokenizer.config import TokenizerConfig
from tests.stages.tokenizer.texts import train, write_documents

PUBLISHED = Path(__file__).parents[3].parent / "shared/data/tokenizer"


def test_digits_are_single_and_newlines_are_bytes(trained: Path) -> None:
    tokenizer = Tokenizer(trained)
    pieces = [tokenizer._pieces.id_to_piece(i) for i in range(tokenizer.vocab_size)]
    assert not any(sum(c.isdigit() for c in piece) > 1 for piece in pieces if not piece.startswith("<0x"))
    assert not any("\n" in piece for piece in pieces)
    assert (tokenizer.vocab_size, tokenizer.bos_id, tokenizer.eos_id) == (400, 1, 2)


def test_a_vocabulary_too_large_for_the_text_says_what_is_possible(documents: InputFile, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^vocab_size = 30000: must be at most \d+") as refused:
        train(documents, tmp_path / "a", vocab_size=30_000)
    possible = int(str(refused.value).split("at most ")[1].split(":")[0])
    assert Tokenizer(train(documents, tmp_path / "b", vocab_size=possible)).vocab_size == possible


def test_a_vocabulary_too_small_for_the_characters_says_how_many(tmp_path: Path) -> None:
    text = write_documents(tmp_path / "cjk.jsonl.zst", ["".join(chr(0x4E00 + i) for i in range(500))])
    with pytest.raises(ConfigError, match=r"at least 7\d\d for this text's characters"):
        train(text, tmp_path / "out", vocab_size=300)


def test_no_text_is_a_clear_error(tmp_path: Path) -> None:
    empty = write_documents(tmp_path / "empty.jsonl.zst", ["", "\n"])
    with pytest.raises(DataError, match="no text to train on"):
        train(empty, tmp_path / "out")


def test_pairs_are_merged_in_the_order_of_the_official_trainer() -> None:
    if not PUBLISHED.is_dir():
        pytest.skip("needs the published vocabulary in ../shared/data/tokenizer")
    # The official program reads a file and keeps the carriage returns at its lines' ends. An iterator's are stripped
    # unless something follows, and a NUL is no character to it.
    lines = [f"{line}\0" for line in (PUBLISHED / "botchan.txt").read_bytes().decode().split("\n")[:-1]]
    model = spm.train(lines, TokenizerConfig(documents=["-"], vocab_size=1000, whitespace_only_pieces=False))
    pieces = sentencepiece.SentencePieceProcessor(model_proto=model)
    wanted = (PUBLISHED / "botchan_bpe1000.vocab.tsv").read_bytes().decode().rstrip("\n").split("\n")
    assert [pieces.id_to_piece(number) for number in range(1000)] == [row.split("\t")[1] for row in wanted]
