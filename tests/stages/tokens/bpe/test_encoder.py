"""The compiled encoder against SentencePiece, id by id, on hard texts and several kinds of models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sentencepiece

from stages.tokens.bpe.encoder import BpeEncoder, empty_known
from stages.tokens.bpe.vocabulary import read_vocabulary
from tests.stages.tokens.bpe.models import hard_texts, model

PUBLISHED = Path(__file__).parents[4].parent / "shared/data/tokenizer"
KINDS: list[dict[str, Any]] = [
    {},
    {"byte_fallback": False},
    {"byte_fallback": False, "character_coverage": 0.98},
    {"add_dummy_prefix": False},
    {"normalization_rule_name": "nmt_nfkc", "remove_extra_whitespaces": True},
    {"treat_whitespace_as_suffix": True},
    {"split_by_whitespace": False},
]


def assert_equal_to_sentencepiece(content: bytes, texts: list[str], encoder: BpeEncoder) -> None:
    pieces = sentencepiece.SentencePieceProcessor(model_proto=content)
    ids, counts = encoder.encode_batch(texts)
    found = np.split(ids, np.cumsum(counts)[:-1])
    for text, of_text in zip(texts, found, strict=True):
        assert of_text.tolist() == pieces.encode(text.encode(errors="replace").decode()), repr(text[:200])


@pytest.mark.parametrize("settings", KINDS, ids=str)
def test_ids_are_those_of_sentencepiece(settings: dict[str, Any]) -> None:
    content = model(**settings)
    merges = read_vocabulary(content)
    assert merges is not None
    assert_equal_to_sentencepiece(content, hard_texts(1500), BpeEncoder(merges, content))


def test_ids_do_not_depend_on_what_was_encoded_before_or_forgotten() -> None:
    content = model()
    merges = read_vocabulary(content)
    assert merges is not None
    encoder = BpeEncoder(merges, content, empty_known(slots=32, letters=600))
    texts = hard_texts(400)
    assert_equal_to_sentencepiece(content, texts, encoder)
    assert_equal_to_sentencepiece(content, texts[::-1], encoder)


def test_each_text_is_followed_by_the_end_id_if_it_is_asked_for() -> None:
    content = model()
    merges = read_vocabulary(content)
    assert merges is not None
    ids, counts = BpeEncoder(merges, content).encode_batch(["", "a"], eos_id=2)
    assert ids.tolist()[0] == 2
    assert ids.tolist()[-1] == 2
    assert counts.tolist() == [1, len(ids) - 1]


def test_no_text_gives_no_ids() -> None:
    content = model()
    merges = read_vocabulary(content)
    assert merges is not None
    ids, counts = BpeEncoder(merges, content).encode_batch([])
    assert (len(ids), len(counts)) == (0, 0)


@pytest.mark.parametrize("name", ["llama", "chinese_llama2"])
def test_published_encodings_are_reproduced(name: str) -> None:
    if not PUBLISHED.is_dir():
        pytest.skip("needs the published tokenizers in ../shared/data/tokenizer")
    content = (PUBLISHED / f"{name}_tokenizer.model").read_bytes()
    merges = read_vocabulary(content)
    assert merges is not None
    rows = [json.loads(line) for line in (PUBLISHED / "reference_encodings.jsonl").read_text().splitlines()]
    ids, _ = BpeEncoder(merges, content).encode_batch([row["text"] for row in rows])
    assert ids.tolist() == [i for row in rows for i in row[name]]
