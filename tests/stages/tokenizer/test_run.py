"""The tokenizer stage through its contract, on real and on hostile text."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.formats.pieces import TOKENIZER_JSON
from stages.formats.tokenizer import Tokenizer
from stages.shared.contract import InputFile
from stages.shared.files import sha256_file
from stages.tokenizer.run import MAX_LINE_BYTES, lines_of, sample_lines
from tests.stages.tokenizer.texts import TRICKY, train


@pytest.mark.parametrize("text", TRICKY)
def test_every_text_comes_back_byte_for_byte(trained: Path, text: str) -> None:
    tokenizer = Tokenizer(trained)
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_a_second_training_gives_the_same_bytes_and_no_path(
    documents: InputFile, trained: Path, tmp_path: Path
) -> None:
    again = train(documents, tmp_path / "elsewhere")
    for name in (trained.name, TOKENIZER_JSON):
        assert sha256_file(again.with_name(name)) == sha256_file(trained.with_name(name))
    assert str(tmp_path.parent).encode() not in trained.read_bytes()
    assert b"documents" not in trained.read_bytes()


def test_long_lines_are_cut_and_lose_only_the_space_at_the_cut() -> None:
    line = " ".join(["wörd"] * 3000)
    parts = list(lines_of([line + "\n\n" + "y" * 9000]))
    assert all(len(part.encode()) <= MAX_LINE_BYTES for part in parts)
    assert " ".join(part for part in parts if "y" not in part) == line
    assert "".join(part for part in parts if "y" in part) == "y" * 9000


def test_sampling_is_repeatable_bounded_and_keeps_the_order() -> None:
    lines = [f"{i:05d}" for i in range(5000)]
    kept = sample_lines(iter(lines), 200, seed=3)
    assert len(kept) == 200
    assert kept == sorted(kept) == sample_lines(iter(lines), 200, seed=3)
    assert kept != sample_lines(iter(lines), 200, seed=4)
    assert 2000 < sum(map(int, kept)) / 200 < 3000
    assert sample_lines(iter(lines), 10_000, seed=3) == lines
