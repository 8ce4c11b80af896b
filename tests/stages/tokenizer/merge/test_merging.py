"""Pieces of one model in another: the published merge, ids of the old texts, and files that cannot be merged."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Literal

import pytest
import sentencepiece

from stages.formats.pieces import read_pieces
from stages.shared.errors import DataError
from stages.tokenizer.merge.merging import merged
from tests.stages.tokenizer.merge.models import CHINESE, chinese, written
from tests.stages.tokens.bpe.models import model

DATA = Path(__file__).parents[5] / "shared" / "data" / "tokenizer"


@pytest.mark.skipif(not DATA.is_dir(), reason=f"no reference data at {DATA}")
def test_the_published_merge_of_llama_and_chinese_is_reproduced(tmp_path: Path) -> None:
    content = merged(DATA / "llama_tokenizer.model", DATA / "chinese_sp.model", "first")
    pieces = read_pieces(written(tmp_path / "m.model", content))
    hashes = dict(line.split("\t")[::2] for line in (DATA / "piece_list_sha256.tsv").read_text().splitlines())
    assert len(pieces) == 49_953
    assert hashlib.sha256("\n".join(pieces).encode()).hexdigest() == hashes["merged(llama+chinese_sp)"]
    encode = sentencepiece.SentencePieceProcessor(model_proto=content).encode
    rows = [json.loads(line) for line in (DATA / "reference_encodings.jsonl").read_text().splitlines()]
    assert [encode(row["text"]) for row in rows] == [row["merged_49953"] for row in rows]


@pytest.mark.parametrize("order", ["last", "first"])
def test_new_pieces_follow_the_old_ones_and_shorten_new_texts(tmp_path: Path, order: Literal["last", "first"]) -> None:
    base, added = written(tmp_path / "a.model", model()), written(tmp_path / "b.model", chinese())
    content = merged(base, added, order)
    old, new = read_pieces(base), read_pieces(written(tmp_path / "c.model", content))
    assert new[: len(old)] == old
    assert set(new[len(old) :]) == set(read_pieces(added)) - set(old)
    before, after = (sentencepiece.SentencePieceProcessor(model_proto=each) for each in (base.read_bytes(), content))
    for text in CHINESE[:2]:
        assert after.decode(after.encode(text)) == text
        assert len(after.encode(text)) < 0.5 * len(before.encode(text))
    english = "The price of bread in Dover is 7"
    assert after.encode(english) == before.encode(english)


def test_pieces_of_unigrams_can_be_added_but_not_to_unigrams(tmp_path: Path) -> None:
    base = written(tmp_path / "a.model", model())
    unigrams = written(tmp_path / "u.model", chinese(model_type="unigram", byte_fallback=False))
    assert len(merged(base, unigrams, "last")) > len(base.read_bytes())
    with pytest.raises(DataError, match=r"u\.model: a model of unigrams"):
        merged(unigrams, base, "last")


def test_nothing_to_add_is_an_error_that_names_both_files(tmp_path: Path) -> None:
    base = written(tmp_path / "a.model", model())
    with pytest.raises(DataError, match=r"a\.model: all its pieces are in .*a\.model"):
        merged(base, base, "last")


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff" * 40, b"<html>"])
def test_a_file_that_is_no_model_is_named(tmp_path: Path, content: bytes) -> None:
    base = written(tmp_path / "a.model", model())
    with pytest.raises(DataError, match=r"bad\.model: (not )?a SentencePiece model"):
        merged(base, written(tmp_path / "bad.model", content), "last")
