import numpy as np
import pytest

from stages.text.dedup.equal_signatures import Joiner
from stages.text.dedup.simhash import SimHash, count_bits, join_near, vote
from stages.text.dedup.union_find import join, make_parents, settle
from stages.text.words.tokens import word_hashes
from tests.stages.web.fuzzy import edited, random_text


def test_each_bit_is_the_majority_of_the_shingles_and_a_tie_is_zero() -> None:
    random = np.random.default_rng(1)
    for count in (1, 2, 3, 8, 100, 1_001):
        grams = random.integers(0, 2**64, count, dtype=np.uint64)
        bits = (grams[:, None] >> np.arange(64, dtype=np.uint64)) & np.uint64(1)
        majority = bits.sum(axis=0) * 2 > count
        assert int(vote(grams)) == sum(1 << place for place in range(64) if majority[place])


def test_bits_are_counted() -> None:
    values = [0, 1, 2**63, 2**64 - 1, 0xF0F0, 0x123456789ABCDEF]
    assert [int(count_bits(np.uint64(value))) for value in values] == [value.bit_count() for value in values]


def signatures(random: np.random.Generator, families: int) -> np.ndarray:
    """Return random signatures, each with copies in which 0 to 6 bits are turned over."""
    found = []
    for value in random.integers(0, 2**64, families, dtype=np.uint64).tolist():
        found.append(value)
        for bits in range(7):
            copy = value
            for place in random.choice(64, bits, replace=False).tolist():
                copy ^= 1 << place
            found.append(copy)
    return random.permutation(np.array(found, dtype=np.uint64))


def exact_groups(values: np.ndarray, distance: int) -> np.ndarray:
    """Return the roots of the groups that comparing every two signatures gives."""
    parents = make_parents(len(values))
    for number in range(len(values)):
        differing = values[number] ^ values[number:]
        bits = ((differing[:, None] >> np.arange(64, dtype=np.uint64)) & np.uint64(1)).sum(axis=1)
        near = (np.flatnonzero(bits <= distance) + number).astype(np.uint64)
        join(parents, np.stack([np.full(len(near), number, np.uint64), near], axis=1))
    settle(parents)
    return parents


@pytest.mark.parametrize(("distance", "blocks"), [(3, 4), (3, 6), (0, 2), (5, 6), (1, 2)])
def test_what_is_near_is_found_exactly(distance: int, blocks: int) -> None:
    values = signatures(np.random.default_rng(distance + 10 * blocks), 400)
    simhash = SimHash(distance, blocks, 3, seed=1)
    joiner = Joiner(len(values))
    joiner.add(values, np.arange(len(values), dtype=np.uint64))
    found = [joiner.finish(), *(simhash.near(*joiner.entries(), table) for table in range(simhash.num_tables))]
    parents = make_parents(len(values))
    for rows in found:
        assert all(int(values[a] ^ values[b]).bit_count() <= distance for a, b in rows.tolist())
        join(parents, rows)
    settle(parents)
    assert np.array_equal(parents, exact_groups(values, distance))


def test_the_tables_are_all_choices_of_blocks_and_cover_the_64_bits() -> None:
    simhash = SimHash(3, 6, 3, seed=1)
    assert simhash.num_tables == 20
    assert SimHash(3, 4, 3, seed=1).num_tables == 4
    everything = np.array([2**64 - 1], np.uint64)
    assert len({int(simhash.keys(everything, table)[0]) for table in range(20)}) == 20
    assert int(np.bitwise_or.reduce(np.array(simhash._masks))) == 2**64 - 1


def test_a_chain_of_near_signatures_has_a_pair_less_than_signatures() -> None:
    values = np.array([0, 1, 3, 7, 15, 31], np.uint64)
    pairs = join_near(np.zeros(6, np.uint64), values, np.arange(6, dtype=np.uint64), 1)
    assert pairs.tolist() == [[0, 1], [1, 2], [2, 3], [3, 4], [4, 5]]


def test_an_edited_text_is_nearer_than_another() -> None:
    random = np.random.default_rng(2)
    simhash = SimHash(3, 4, 3, seed=1)
    text = random_text(random, 600)
    a, b, c = (
        int(simhash.sign(word_hashes(" ".join(words)))[0])
        for words in (text, edited(random, text, 2), random_text(random, 600))
    )
    assert (a ^ b).bit_count() <= 8 < (a ^ c).bit_count()
    assert len(simhash.sign(word_hashes(""))) == 1
