"""Runs of spaces: one piece each, the same size, the same ids in tokenizer.json and in the fast encoder."""

from __future__ import annotations

from pathlib import Path

from tokenizers import Tokenizer as HfTokenizer

from stages.formats.pieces import SPACE, TOKENIZER_JSON, read_pieces
from stages.formats.tokenizer import Tokenizer
from stages.shared.contract import InputFile
from stages.tokens.encoders import choose_encoder
from tests.stages.tokenizer.texts import PROSE, TRICKY, train


def test_every_run_is_one_piece_and_all_encoders_agree(documents: InputFile, trained: Path, tmp_path: Path) -> None:
    path = train(documents, tmp_path, whitespace_runs=16)
    pieces = read_pieces(path)
    assert len(pieces) == 400
    assert {SPACE * count for count in range(2, 17)} <= set(pieces)
    assert set(read_pieces(trained)) - set(pieces), "the rarest pieces made room"
    tokenizer, exported = Tokenizer(path), HfTokenizer.from_file(str(path.parent / TOKENIZER_JSON))
    texts = [*TRICKY, *PROSE, *("a" + " " * count + "b" for count in range(1, 20))]
    ids = [tokenizer.encode(text) for text in texts]
    assert [exported.encode(text, add_special_tokens=False).ids for text in texts] == ids
    fast, sizes = choose_encoder(path, tokenizer, 100.0).encode_batch(texts, 2)
    assert fast.tolist() == [number for each in ids for number in (*each, 2)]
    assert sizes.tolist() == [len(each) + 1 for each in ids]
    assert len(tokenizer.encode("a" + " " * 9 + "b")) < len(Tokenizer(trained).encode("a" + " " * 9 + "b"))


def test_runs_that_the_text_made_already_stay(documents: InputFile, trained: Path, tmp_path: Path) -> None:
    runs = train(documents, tmp_path, whitespace_runs=2)
    kept = SPACE * 2 in read_pieces(trained)
    assert (runs.read_bytes() == trained.read_bytes()) == kept
    assert SPACE * 2 in read_pieces(runs)
