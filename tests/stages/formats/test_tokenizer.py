"""The one loader of tokenizers."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.formats.tokenizer import Tokenizer
from stages.shared.errors import DataError
from stages.shared.files import sha256_file
from stages.tokenizer.config import TokenizerConfig
from stages.tokenizer.spm import train


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.model"
    text = ["the heron of Arlen counts twelve stones", "a badger sleeps at 12:00?"]
    path.write_bytes(train(text, TokenizerConfig(documents="unused", vocab_size=290)))
    return path


def test_lone_surrogates_are_encoded_as_question_marks(trained: Path) -> None:
    tokenizer = Tokenizer(trained)
    assert tokenizer.encode("a\ud800b") == tokenizer.encode("a?b")


def test_a_file_that_is_no_model_is_named(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.model").write_bytes(b"\x00not a model")
    with pytest.raises(DataError, match=r"tokenizer\.model: not a SentencePiece model"):
        Tokenizer(tmp_path / "tokenizer.model")


def test_pieces_are_in_order_of_their_ids(trained: Path) -> None:
    pieces = Tokenizer(trained).pieces()
    assert pieces[:4] == ["<unk>", "<s>", "</s>", "<0x00>"]
    assert pieces[Tokenizer(trained).encode("heron")[0]].startswith("\u2581")
    assert len(pieces) == 290


def test_it_says_what_the_model_needs_to_know(trained: Path) -> None:
    tokenizer = Tokenizer(trained)
    assert (tokenizer.vocab_size, tokenizer.bos_id, tokenizer.eos_id, tokenizer.pad_id) == (290, 1, 2, 2)
    assert tokenizer.sha256 == sha256_file(trained)


def test_batches_and_threads_change_no_id(trained: Path) -> None:
    tokenizer = Tokenizer(trained)
    texts = ["the heron", "", " two  spaces", "x\ty"] * 50
    assert tokenizer.encode_batch(texts, num_threads=2) == [tokenizer.encode(text) for text in texts]


def test_ids_outside_the_vocabulary_decode_to_nothing(trained: Path) -> None:
    tokenizer = Tokenizer(trained)
    assert tokenizer.decode([*tokenizer.encode("the heron"), tokenizer.eos_id, 383, -1]) == "the heron"
