"""The order of merges: the best score first, of equal scores the leftmost."""

from __future__ import annotations

import random
from itertools import pairwise

import numpy as np
import sentencepiece

from stages.tokens.bpe.merging import merge_symbols
from stages.tokens.bpe.vocabulary import read_vocabulary
from tests.stages.tokens.bpe.models import model


def by_definition(symbols: list[str], scores: dict[str, float]) -> list[str]:
    """Merge the best pair of neighbours until there is none, looking at all pairs each time."""
    while True:
        found = [(-scores[a + b], at) for at, (a, b) in enumerate(pairwise(symbols)) if a + b in scores]
        if not found:
            return symbols
        _, at = min(found)
        symbols = [*symbols[:at], symbols[at] + symbols[at + 1], *symbols[at + 2 :]]


def test_merges_are_those_of_the_definition() -> None:
    content = model()
    pieces = sentencepiece.SentencePieceProcessor(model_proto=content)
    merges = read_vocabulary(content)
    assert merges is not None
    scores = {
        pieces.id_to_piece(i): pieces.get_score(i) for i in range(pieces.get_piece_size()) if not pieces.is_byte(i)
    }
    draw = random.Random(3)
    for _ in range(300):
        text = "".join(draw.choices("abprice\u2581Theo面包", k=draw.randint(1, 60)))
        symbols = np.array([merges.symbols[ord(letter)] for letter in text], np.int32)
        found = merge_symbols(merges, symbols)
        assert [pieces.id_to_piece(int(i)) for i in found if i >= 0] == by_definition(list(text), scores)
