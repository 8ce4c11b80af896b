"""Which encoder is chosen, and that both give the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stages.formats.tokenizer import Tokenizer
from stages.tokens.bpe import vocabulary
from stages.tokens.bpe.encoder import BpeEncoder
from stages.tokens.bpe.vocabulary import read_vocabulary
from stages.tokens.encoders import SentencePieceEncoder, choose_encoder
from tests.stages.tokens.bpe.models import hard_texts, model


def written(folder: Path, content: bytes) -> Path:
    (folder / "tokenizer.model").write_bytes(content)
    return folder / "tokenizer.model"


def test_a_small_file_is_encoded_by_sentencepiece_and_a_large_one_compiled(tmp_path: Path) -> None:
    path = written(tmp_path, model())
    tokenizer = Tokenizer(path)
    small, large = choose_encoder(path, tokenizer, 0.1), choose_encoder(path, tokenizer, 100.0)
    assert isinstance(small, SentencePieceEncoder)
    assert isinstance(large, BpeEncoder)
    texts = [text for text in hard_texts(300) if text]
    one, other = small.encode_batch(texts, 2), large.encode_batch(texts, 2)
    assert np.array_equal(one[0], other[0])
    assert np.array_equal(one[1], other[1])


def test_unigrams_are_encoded_by_sentencepiece_and_the_log_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path, model(model_type="unigram", byte_fallback=False))
    assert isinstance(choose_encoder(path, Tokenizer(path), 100.0), SentencePieceEncoder)
    assert "knows BPE without user-defined pieces alone" in capsys.readouterr().err


def test_an_encoder_that_differs_is_found_out_and_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path, model())
    wrong = read_vocabulary(path.read_bytes())
    assert wrong is not None
    monkeypatch.setattr(vocabulary, "read_vocabulary", lambda _: wrong._replace(ranks=wrong.ranks.max() - wrong.ranks))
    assert isinstance(choose_encoder(path, Tokenizer(path), 100.0), SentencePieceEncoder)
    assert "gives other ids" in capsys.readouterr().err
