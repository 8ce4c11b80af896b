"""The tokenizer stage through its contract, on real and on hostile text."""

from pathlib import Path

import pytest
from tokenizers import Tokenizer as HfTokenizer

from stages.shared.contract import InputFile
from stages.shared.documents import DocumentWriter
from stages.shared.errors import ConfigError, DataError
from stages.shared.files import sha256_file
from stages.shared.tokenizer import TOKENIZER_JSON, Tokenizer
from stages.tokenizer.config import TokenizerConfig
from stages.tokenizer.run import MAX_LINE_BYTES, lines_of, sample_lines
from tests.stages.harness import run_stage

PROSE = [
    f"The {animal} of {place} counts {number} stones,\tand sleeps.\n\n  It wakes at {number % 24}:00; 数{number}。"
    for number, (animal, place) in enumerate(
        (animal, place)
        for animal in ("heron", "badger", "otter", "lynx", "raven", "toad")
        for place in ("Arlen", "Bostra", "Calvik", "Dorn", "Elmarket", "Fyrd", "Gellin")
    )
]
TRICKY = [
    "",
    " ",
    "  ",
    "a",
    " leading",
    "   three leading",
    "trailing   ",
    "double  space",
    "tab\there\t\ttwo",
    "new\nline\n\n\nlines\r\n",
    "😀👩‍👩‍👧‍👦🏳️‍🌈",
    "汉字かな한국어",
    "𠮷野家 𝒳",
    "e\u0301 vs é",
    "123456789 1,234.5",
    "</s><s><unk><0x0A> <0x41>",
    "\u200b\ufeff\u202e",
    "nul\x00byte\x07",
    "def f(x):\n\treturn {'a': x}  # ok",
    "İstanbul ﬁ ½ №",
    "The heron of Arlen counts 12 stones",
    "x" * 5000,
    " " * 300,
]


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> InputFile:
    path = tmp_path_factory.mktemp("a dump's 'folder'") / "documents.jsonl.zst"
    return write_documents(path, PROSE)


@pytest.fixture(scope="module")
def trained(documents: InputFile, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(documents, tmp_path_factory.mktemp("tokenizer"))


def write_documents(path: Path, texts: list[str]) -> InputFile:
    with DocumentWriter(path) as writer:
        for number, text in enumerate(texts):
            writer.write({"id": f"d{number}", "text": text})
    return InputFile(path, "dump")


def train(documents: InputFile, folder: Path, **settings: object) -> Path:
    config = TokenizerConfig(documents="unused", **{"vocab_size": 400, **settings})
    return run_stage(config, {"documents": (documents,)}, folder)["tokenizer"][0].path


@pytest.mark.parametrize("text", TRICKY)
def test_every_text_comes_back_byte_for_byte(trained: Path, text: str) -> None:
    tokenizer = Tokenizer(trained)
    assert tokenizer.decode(tokenizer.encode(text)) == text


@pytest.mark.parametrize("text", [*TRICKY, *PROSE[:5], "one\u2581two", "\u2581"])
def test_tokenizer_json_gives_the_same_ids(trained: Path, text: str) -> None:
    hf = HfTokenizer.from_file(str(trained.with_name(TOKENIZER_JSON)))
    ids = Tokenizer(trained).encode(text)
    assert hf.encode(text).ids == ids
    assert hf.decode(ids) == Tokenizer(trained).decode(ids)


def test_a_second_training_gives_the_same_bytes_and_no_path(
    documents: InputFile, trained: Path, tmp_path: Path
) -> None:
    again = train(documents, tmp_path / "elsewhere")
    for name in (trained.name, TOKENIZER_JSON):
        assert sha256_file(again.with_name(name)) == sha256_file(trained.with_name(name))
    assert str(tmp_path.parent).encode() not in trained.read_bytes()
    assert b"documents" not in trained.read_bytes()


def test_digits_are_single_and_newlines_are_bytes(trained: Path) -> None:
    tokenizer = Tokenizer(trained)
    pieces = [tokenizer._pieces.id_to_piece(i) for i in range(tokenizer.vocab_size)]
    assert not any(sum(c.isdigit() for c in piece) > 1 for piece in pieces if not piece.startswith("<0x"))
    assert not any("\n" in piece for piece in pieces)
    assert (tokenizer.vocab_size, tokenizer.bos_id, tokenizer.eos_id) == (400, 1, 2)


def test_lone_surrogates_are_encoded_as_question_marks(trained: Path) -> None:
    tokenizer = Tokenizer(trained)
    assert tokenizer.encode("a\ud800b") == tokenizer.encode("a?b")


def test_a_vocabulary_too_large_for_the_text_says_what_is_possible(documents: InputFile, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"tokenizer\.vocab_size is 30000: want at most \d+") as refused:
        train(documents, tmp_path / "a", vocab_size=30_000)
    possible = int(str(refused.value).split("at most ")[1].split(":")[0])
    assert Tokenizer(train(documents, tmp_path / "b", vocab_size=possible)).vocab_size == possible


def test_a_vocabulary_too_small_for_the_characters_says_how_many(tmp_path: Path) -> None:
    text = write_documents(tmp_path / "cjk.jsonl.zst", ["".join(chr(0x4E00 + i) for i in range(500))])
    with pytest.raises(ConfigError, match=r"at least 7\d\d for this text's characters"):
        train(text, tmp_path / "out", vocab_size=300)


def test_no_text_is_a_clear_error(tmp_path: Path) -> None:
    empty = write_documents(tmp_path / "empty.jsonl.zst", ["", "\n"])
    with pytest.raises(DataError, match="no text to learn from"):
        train(empty, tmp_path / "out")


def test_a_file_that_is_no_model_is_named(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.model").write_bytes(b"\x00not a model")
    with pytest.raises(DataError, match=r"tokenizer\.model: no SentencePiece model"):
        Tokenizer(tmp_path / "tokenizer.model")


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
