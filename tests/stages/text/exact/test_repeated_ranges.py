import random
from collections import defaultdict

import numpy as np
import pytest

from stages.text.exact.repeated_ranges import MAX_BYTES, find_ranges, merge
from stages.text.exact.suffix_array import CutRule
from stages.text.exact.suffix_tokens import PartTokens
from tests.bench.web_substrings import check_planted

RULES: tuple[CutRule, ...] = ("all", "first")


def part_of(docs: list[list[int]], min_tokens: int) -> PartTokens:
    part = PartTokens(min_tokens)
    for doc in docs:
        part.add(np.array(doc, dtype=np.uint64) + np.uint64(1), np.ones(len(doc), dtype=bool))
    return part


def cut_tokens(docs: list[list[int]], min_tokens: int, rule: CutRule, max_bytes: int = MAX_BYTES) -> list[set[int]]:
    cut: list[set[int]] = [set() for _ in docs]
    rows = find_ranges(part_of(docs, min_tokens), rule, max_bytes).tolist()
    assert rows == sorted(rows)
    for doc, first, end in rows:
        assert 0 <= first < end <= len(docs[doc])
        assert not cut[doc] & set(range(first, end)), "ranges are apart"
        cut[doc].update(range(first, end))
    return cut


def brute_force(docs: list[list[int]], min_tokens: int, rule: CutRule) -> list[set[int]]:
    """The definition: look at every window, remember where it was."""
    places = defaultdict(list)
    for number, doc in enumerate(docs):
        for first in range(len(doc) - min_tokens + 1):
            places[tuple(doc[first : first + min_tokens])].append((number, first))
    cut: list[set[int]] = [set() for _ in docs]
    for found in places.values():
        if len(found) > 1:
            for number, first in found if rule == "all" else found[1:]:
                cut[number].update(range(first, first + min_tokens))
    return cut


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("max_bytes", [MAX_BYTES, 40])
def test_the_same_tokens_are_cut_as_by_looking_at_every_window(rule: CutRule, max_bytes: int) -> None:
    draw = random.Random(1)
    for _ in range(300):
        min_tokens = draw.choice([1, 2, 3, 4, 5, 8, 13])
        different = draw.choice([1, 2, 2, 3, 5, 20])
        sizes = [draw.choice([0, 1, 2, 5, 10, 30, 60]) for _ in range(draw.choice([0, 1, 2, 3, 6]))]
        docs = [[draw.randrange(different) for _ in range(size)] for size in sizes]
        assert cut_tokens(docs, min_tokens, rule, max_bytes) == brute_force(docs, min_tokens, rule), (min_tokens, docs)


@pytest.mark.parametrize("rule", RULES)
def test_texts_of_many_different_and_of_periodic_tokens_too(rule: CutRule) -> None:
    draw = random.Random(2)
    for period in range(1, 12):
        phrase = [draw.randrange(30_000) for _ in range(400)]
        docs = [phrase[i : i + 120] for i in range(0, 300, 37)] + [[*range(period)] * (200 // period)]
        docs += [[*phrase[:60], 7, *range(period), *([*range(period)] * 20), *phrase[30:90]]]
        assert cut_tokens(docs, 50, rule) == brute_force(docs, 50, rule)


@pytest.mark.parametrize(("shared", "num_cut"), [(49, 0), (50, 50), (51, 51)])
def test_fifty_tokens_are_cut_and_forty_nine_are_not(shared: int, num_cut: int) -> None:
    common = list(range(shared))
    docs = [[1000, *common, 1001], [1002, 1003, *common], [*common, 1004]]
    assert [len(cut) for cut in cut_tokens(docs, 50, "all")] == [num_cut] * 3
    assert [len(cut) for cut in cut_tokens(docs, 50, "first")] == [0, num_cut, num_cut]


def test_no_match_crosses_the_border_of_two_documents() -> None:
    whole = list(range(60))
    assert cut_tokens([whole[:30], whole[30:], [*whole, 99]], 50, "all") == [set(), set(), set()]


def test_a_repeat_within_one_document_counts_and_may_overlap_itself() -> None:
    common = list(range(50))
    assert [len(cut) for cut in cut_tokens([[*common, 99, *common]], 50, "all")] == [100]
    assert cut_tokens([[*common, 99, *common]], 50, "first") == [set(range(51, 101))]
    assert cut_tokens([[5] * 200], 50, "all") == [set(range(200))]
    assert cut_tokens([[5] * 200], 50, "first") == [set(range(1, 200))], "of a phrase repeated in a row one is left"


@pytest.mark.parametrize("rule", RULES)
def test_more_types_than_sixteen_bits_hold_are_told_apart(rule: CutRule) -> None:
    different = np.random.default_rng(0).permutation(300_000)
    docs = [different[i : i + 100].tolist() for i in range(0, 300_000, 100)]
    docs += [
        [*range(400_000, 400_020), *docs[1500][20:80], *range(500_000, 500_020)],
        (different[:100] + 65_536).tolist(),
    ]
    cut = cut_tokens(docs, 50, rule)
    assert cut[3000] == set(range(20, 80))
    assert cut[1500] == (set(range(20, 80)) if rule == "all" else set())
    assert sum(map(len, cut)) == (120 if rule == "all" else 60)


@pytest.mark.parametrize(
    "docs", [[], [[]], [[], [], []], [[1]], [list(range(50))], [list(range(500)), list(range(500, 900))]]
)
def test_a_part_without_duplicates_is_left_whole(docs: list[list[int]]) -> None:
    for rule in RULES:
        assert cut_tokens(docs, 50, rule) == [set() for _ in docs]


def test_places_past_32_bits_are_counted_right() -> None:
    base = 5 << 32
    starts = np.array([0, base, base + 100, base + 300], dtype=np.int64)
    ranges = np.array(
        [[base + 90, base + 100], [base + 10, base + 60], [base + 50, base + 70], [base + 100, base + 150]]
    )
    assert merge(ranges, starts).tolist() == [[1, 10, 70], [1, 90, 100], [2, 0, 50]]
    assert find_ranges(part_of([[1] * 60], 50), "all").dtype == np.int64


def test_a_part_too_large_for_one_suffix_array_gives_the_same_ranges() -> None:
    draw = np.random.default_rng(4)
    pool = draw.integers(0, 5_000, 20_000)
    docs = [pool[i : i + 300].tolist() for i in draw.integers(0, 19_000, 200)]
    for rule in RULES:
        assert cut_tokens(docs, 50, rule, max_bytes=40_000) == cut_tokens(docs, 50, rule)


def test_every_planted_span_of_5_mb_is_found_and_nothing_else() -> None:
    assert "planted ranges are found" in check_planted(5)
