"""The tokenizer stage through its contract, on real and on hostile text."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tokenizers import Tokenizer as HfTokenizer

from stages.formats.pieces import TOKENIZER_JSON
from stages.formats.tokenizer import Tokenizer
from stages.shared.contract import InputFile
from stages.shared.errors import ConfigError
from stages.shared.files import sha256_file
from stages.tokenizer.config import TokenizerConfig
from stages.tokenizer.run import MAX_LINE_BYTES, lines_by_source, lines_of, sample_lines
from tests.stages.harness import run_unit
from tests.stages.tokenizer.texts import PROSE, TRICKY, train, write_documents


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


def test_unigrams_come_back_byte_for_byte_and_have_a_tokenizer_json_of_the_same_ids(
    documents: InputFile, tmp_path: Path
) -> None:
    path = train(documents, tmp_path, model="unigram", vocab_size=320)
    tokenizer, exported = Tokenizer(path), HfTokenizer.from_file(str(path.parent / TOKENIZER_JSON))
    assert tokenizer.vocab_size == 320
    for text in TRICKY:
        assert tokenizer.decode(tokenizer.encode(text)) == text
    for text in PROSE:
        assert exported.encode(text, add_special_tokens=False).ids == tokenizer.encode(text)


def test_digits_may_be_joined_and_a_normalisation_has_no_tokenizer_json(documents: InputFile, tmp_path: Path) -> None:
    joined = train(documents, tmp_path / "a", split_digits=False, vocab_size=500)
    assert any(sum(letter.isdigit() for letter in piece) > 1 for piece in Tokenizer(joined).pieces()[259:])
    normal = train(documents, tmp_path / "b", normalization="nfkc")
    assert not (normal.parent / TOKENIZER_JSON).exists()
    assert Tokenizer(normal).encode("\uff21") == Tokenizer(normal).encode("A")


def test_a_mixture_draws_lines_by_source(tmp_path: Path) -> None:
    config = TokenizerConfig(documents="x", mixture={"zh": 1.0, "en": 3.0}, max_lines=100)
    assert lines_by_source(["en", "zh"], config) == {"en": 75, "zh": 25}
    zh, en = (
        write_documents(tmp_path / "zh", ["春天 来 了"] * 50),
        write_documents(tmp_path / "en", ["spring comes"] * 50),
    )
    files = (replace(zh, source="zh"), replace(en, source="en"))
    settings = {"documents": "x", "vocab_size": 280, "mixture": {"zh": 1, "en": 3}, "max_lines": 40}
    config = TokenizerConfig.model_validate(settings)
    step = config.plan({"documents": files}).steps[0]
    assert run_unit(config, step, 0, {"documents": files}, tmp_path / "run")["lines"] == 40
    with pytest.raises(ConfigError, match=r"a weight for each source of `documents`; see \['en'\]"):
        TokenizerConfig(documents="x", mixture={"zh": 1.0}).plan({"documents": files})


def test_what_is_not_llamas_alone_enters_the_identity() -> None:
    assert TokenizerConfig(documents="x").plan({}).steps[0].uses == (
        "vocab_size",
        "character_coverage",
        "max_lines",
        "seed",
    )
    assert "model" in TokenizerConfig(documents="x", model="unigram").plan({}).steps[0].uses
