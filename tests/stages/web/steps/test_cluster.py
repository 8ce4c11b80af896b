import numpy as np
import pytest

from stages.web.steps.cluster import choose, components


def pairs(*edges: tuple[int, int]) -> np.ndarray:
    return np.array(edges, dtype=np.uint64).reshape(-1, 2)


def groups_of(edges: np.ndarray) -> dict[int, int]:
    members, groups = components(edges)
    return dict(zip(members.tolist(), groups.tolist(), strict=True))


def test_a_chain_is_one_group_named_by_its_first_page() -> None:
    assert groups_of(pairs((5, 9), (9, 30), (30, 2), (7, 8))) == {2: 2, 5: 2, 9: 2, 30: 2, 7: 7, 8: 7}


def test_no_pairs_are_no_groups() -> None:
    assert groups_of(pairs()) == {}


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
    expected = {page: root(page) for page in np.unique(edges).tolist()}
    assert groups_of(edges) == expected
    assert groups_of(random.permutation(edges)[:, ::-1]) == expected


def test_a_very_long_chain_ends() -> None:
    order = np.random.default_rng(1).permutation(50_000).astype(np.uint64)
    edges = np.stack([order[:-1], order[1:]], axis=1)
    assert set(groups_of(edges).values()) == {0}


def test_the_longest_page_stays_and_of_equals_the_first() -> None:
    members, groups = components(pairs((1, 2), (2, 3), (5, 6)))
    num_words = np.array([0, 10, 30, 30, 0, 4, 4], dtype=np.uint64)
    assert choose(members, groups, num_words).tolist() == [2, 2, 2, 5, 5]
    assert choose(members, groups, None).tolist() == [1, 1, 1, 5, 5]
    empty = np.array([], dtype=np.uint64)
    assert choose(empty, empty, num_words).tolist() == []
