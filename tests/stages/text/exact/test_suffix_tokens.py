import numpy as np
import pytest

from stages.text.exact import suffix_tokens
from stages.text.exact.suffix_tokens import GrowingArray, Numbering, PartTokens, find_anchors, regions


def anchors(ids: list[int], gram: int, window: int, offset: int = 0) -> list[tuple[int, int]]:
    hashes, places = np.empty(len(ids), np.uint64), np.empty(len(ids), np.int64)
    found = find_anchors(np.array(ids, dtype=np.uint32), offset, gram, window, hashes, places)
    return list(zip(hashes[:found].tolist(), places[:found].tolist(), strict=True))


def test_every_window_has_an_anchor_at_a_place_that_its_tokens_alone_decide() -> None:
    ids = np.random.default_rng(0).integers(0, 3, 500).tolist()
    found = anchors(ids, 5, 12)
    for start in range(len(ids) - 12 + 1):
        alone = anchors(ids[start : start + 12], 5, 12, offset=start)
        assert len(alone) == 1
        assert alone[0] in found
    assert len(found) < 500 / 2


def test_each_copy_in_a_periodic_text_has_an_anchor_of_its_own() -> None:
    assert [place for _, place in anchors([7] * 60, 25, 50)] == list(range(11))


def test_a_text_shorter_than_a_window_has_no_anchor() -> None:
    assert anchors(list(range(49)), 25, 50) == []
    assert len(anchors(list(range(50)), 25, 50)) == 1


def test_places_of_anchors_and_regions_go_past_32_bits() -> None:
    base = 7 << 32
    assert anchors(list(range(50)), 25, 50, offset=base)[0][1] >= base
    starts = np.array([0, base, base + 100, base + 400], dtype=np.int64)
    first, end = regions(np.array([base + 10, base + 60, base + 110, base + 300]), starts, 25, 50)
    assert (first - base).tolist() == [0, 100, 275], "regions end with their documents"
    assert (end - base).tolist() == [100, 160, 350]


def test_numbers_are_given_in_order_of_appearance_however_the_table_grows() -> None:
    numbering, into = Numbering(), np.empty(200_000, dtype=np.uint32)
    hashes = np.random.default_rng(0).permutation(100_000).astype(np.uint64) + np.uint64(1)
    numbering.number(np.concatenate([hashes, hashes]), into)
    assert (into == np.tile(np.arange(100_000), 2)).all()
    numbering.number(hashes[::-1].copy(), into[:100_000])
    assert (into[:100_000] == np.arange(100_000)[::-1]).all()
    assert numbering.count == 100_000


def test_more_tokens_than_numbers_are_refused_with_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suffix_tokens, "MAX_IDS", 5)
    with pytest.raises(suffix_tokens.DataError, match=r"Raise exact\.parts"):
        Numbering().number(np.arange(6, dtype=np.uint64), np.empty(6, dtype=np.uint32))


def test_an_array_grows_with_its_content() -> None:
    array = GrowingArray(np.int64)
    for start in range(0, 50_000, 70):
        array.room(100)[:70] = np.arange(start, start + 70)
        array.grow(70)
    assert (array.values == np.arange(len(array.values))).all()


def test_only_anchors_that_occur_twice_are_returned_in_order_of_place() -> None:
    part = PartTokens(10)
    for ids in ([*range(100, 130)], [*range(200, 215), *range(100, 115), *range(300, 310)], [*range(400, 450)]):
        part.add(np.array(ids, dtype=np.uint64), np.ones(len(ids), dtype=bool))
    hashes, places = part.repeated_anchors()
    assert len(hashes) >= 2
    assert places.tolist() == sorted(places.tolist())
    assert all(place < 15 or 45 <= place < 60 for place in places.tolist())


def test_words_are_counted_without_symbols() -> None:
    part = PartTokens(50)
    part.add(np.array([5, 6, 7, 5], dtype=np.uint64), np.array([True, False, True, True]))
    part.add(np.array([6, 8], dtype=np.uint64), np.array([False, True]))
    assert [part.count_words(0, 4), part.count_words(1, 2), part.count_words(4, 6)] == [3, 0, 1]
