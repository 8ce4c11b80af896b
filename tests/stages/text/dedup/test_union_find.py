import numpy as np
import pytest

from stages.text.dedup.union_find import join, make_parents, settle, smallest_rank


def pairs(*rows: tuple[int, int]) -> np.ndarray:
    return np.array(rows, dtype=np.uint64).reshape(-1, 2)


def groups(num_pages: int, rows: np.ndarray, dtype: type = np.uint32) -> list[int]:
    parents = make_parents(num_pages).astype(dtype)
    join(parents, rows)
    settle(parents)
    return parents.tolist()


def test_a_chain_is_one_group_named_by_its_earliest_page() -> None:
    assert groups(7, pairs((3, 4), (4, 6), (6, 2), (1, 5))) == [0, 1, 2, 2, 2, 1, 2]


def test_no_pairs_and_no_pages_are_no_groups() -> None:
    assert groups(3, pairs()) == [0, 1, 2]
    assert groups(0, pairs()) == []


@pytest.mark.parametrize("seed", range(5))
def test_groups_are_those_of_a_plain_union_find_in_any_order_of_pairs(seed: int) -> None:
    random = np.random.default_rng(seed)
    edges = random.integers(0, 3_000, size=(2_000, 2)).astype(np.uint64)
    parent = list(range(3_000))

    def root(page: int) -> int:
        while parent[page] != page:
            page = parent[page]
        return page

    for a, b in edges.tolist():
        first, second = sorted((root(a), root(b)))
        parent[second] = first
    expected = [root(page) for page in range(3_000)]
    assert groups(3_000, edges) == expected
    assert groups(3_000, random.permutation(edges)[:, ::-1].copy(), np.uint64) == expected


def test_a_very_long_chain_ends() -> None:
    order = np.random.default_rng(1).permutation(200_000).astype(np.uint64)
    assert set(groups(200_000, np.stack([order[:-1], order[1:]], axis=1))) == {0}


def test_numbers_of_pages_take_four_bytes_as_long_as_they_fit() -> None:
    assert make_parents(1_000).dtype == np.uint32


def test_the_page_of_smallest_rank_is_chosen_and_of_equals_the_earliest() -> None:
    parents = np.array([0, 0, 0, 3, 3, 3], np.uint32)
    chosen = smallest_rank(parents, np.array([9, 7, 7, 1, 1, 2], np.uint64))
    assert chosen[parents].tolist() == [1, 1, 1, 3, 3, 3]
