import numpy as np
import pydivsufsort
import pytest

from stages.text.exact import suffix_array
from stages.text.exact.suffix_array import (
    FIRST_BYTES,
    FIRST_RANKS,
    INNER,
    LENGTHS,
    count_tokens,
    encode,
    encoded_size,
    rank_by_count,
    repeated_windows,
)


def ranks_at_the_borders() -> np.ndarray:
    """The first and last rank of each length: 1, 2, 3, 4 and 5 bytes."""
    borders = FIRST_RANKS.astype(np.int64)
    return np.array(sorted({0, *borders[1:-1], *(borders[1:-1] - 1), 5, 3_000_000, 400_000_000}), dtype=np.uint32)


def test_a_code_has_a_first_byte_that_says_its_length_and_inner_bytes_after_it() -> None:
    ranks = ranks_at_the_borders()
    ids = np.arange(len(ranks), dtype=np.uint32)
    seen = set()
    for i in range(len(ranks)):
        region = np.array([i]), np.array([i + 1])
        size = encoded_size(np.array([1]), ranks[i : i + 1], 1)
        code = encode(ids, *region, ranks, size)
        assert code[-1] == 0
        assert LENGTHS[code[0]] == len(code) - 1
        assert 1 <= code[0] < INNER
        assert (code[1:-1] >= INNER).all()
        seen.add(code.tobytes())
    assert len(seen) == len(ranks), "no two tokens have the same code"


def test_there_are_more_codes_than_tokens_in_one_suffix_array() -> None:
    assert sum(FIRST_BYTES) == INNER - 1
    assert FIRST_RANKS[-1] > np.iinfo(np.int32).max // 5


def test_frequent_tokens_have_short_codes() -> None:
    ids = np.array([3, 1, 1, 2, 2, 2, 0], dtype=np.uint32)
    counts = count_tokens(ids, np.array([0]), np.array([7]), 5)
    assert counts.tolist() == [1, 2, 3, 1, 0]
    assert rank_by_count(counts).tolist() == [2, 1, 0, 3, 4]


@pytest.mark.parametrize("rule", ["all", "first"])
def test_places_of_64_bits_give_the_same_marks(rule: suffix_array.CutRule, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = np.random.default_rng(0).integers(0, 2, 2_000).astype(np.uint32)
    region = np.array([0, 900]), np.array([900, 2_000])
    counts = count_tokens(ids, *region, 2)
    data = encode(ids, *region, rank_by_count(counts), encoded_size(counts, rank_by_count(counts), 2))
    narrow = repeated_windows(data, 9, rule)
    sort = pydivsufsort.divsufsort
    assert sort(data, force64=True).dtype == np.int64
    monkeypatch.setattr(pydivsufsort, "divsufsort", lambda data: sort(data, force64=True))  # as it does past 2 GiB
    assert (repeated_windows(data, 9, rule) == narrow).all()
    assert 0 < narrow.sum() < len(narrow)
