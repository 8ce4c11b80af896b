"""A vocabulary as arrays: its merges are those of the pieces, and models that only SentencePiece knows are refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sentencepiece

from stages.text.compiled.hash_table import find_slot
from stages.tokens.bpe.vocabulary import UNKNOWN, pair_key, read_vocabulary
from tests.stages.tokens.bpe.models import model


def test_a_piece_stands_for_each_pair_of_symbols_that_spells_it() -> None:
    content = model()
    pieces = sentencepiece.SentencePieceProcessor(model_proto=content)
    merges = read_vocabulary(content)
    assert merges is not None
    left, right, whole = (pieces.piece_to_id(piece) for piece in ("p", "r", "pr"))
    assert whole != pieces.unk_id()
    assert merges.merged[find_slot(merges.pairs, pair_key(left, right))] == whole
    assert merges.symbols[ord("p")] == left
    assert merges.symbols[ord("Ж")] == UNKNOWN
    scores = np.array([pieces.get_score(i) for i in range(pieces.get_piece_size())])
    assert np.all(np.diff(merges.ranks[np.argsort(-scores)]) >= 0)
    assert merges.ranks[whole] == len(set(scores[scores > scores[whole]]))


@pytest.mark.parametrize(
    "settings",
    [
        {"model_type": "unigram", "byte_fallback": False},
        {"user_defined_symbols": ["<tool>"]},
    ],
)
def test_models_that_need_sentencepiece_are_refused(settings: dict[str, Any]) -> None:
    assert read_vocabulary(model(**settings)) is None


@pytest.mark.parametrize(
    ("settings", "is_plain"),
    [
        ({}, True),
        ({"add_dummy_prefix": False}, False),
        ({"remove_extra_whitespaces": True}, False),
        ({"normalization_rule_name": "nmt_nfkc"}, False),
        ({"treat_whitespace_as_suffix": True}, False),
    ],
)
def test_a_normaliser_that_does_more_is_seen(settings: dict[str, Any], is_plain: bool) -> None:
    merges = read_vocabulary(model(**settings))
    assert merges is not None
    assert merges.is_plain == is_plain
