from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from stages.text.dedup.equal_signatures import SEEN
from stages.text.words.shingles import shingles
from stages.text.words.tokens import word_hashes
from stages.web.unit_findings import removed_reasons
from tests.stages.web.fuzzy import edited, find_duplicates, random_text, write_filtered

THRESHOLD = 0.8


def corpus(random: np.random.Generator, size: int) -> list[str]:
    """Return shuffled texts: families of near copies (similarity above 0.9 to their original), of exact copies, texts
    that share a third with another, and texts alone.
    """
    texts: list[str] = []
    while len(texts) < size:
        words = random_text(random, 300)
        kind = random.integers(0, 4)
        if kind == 0:
            texts += [" ".join(edited(random, words, changes)) for changes in (0, 1, 2, 1)]
        elif kind == 1:
            texts += [" ".join(words), " ".join(words).upper(), ", ".join(words)]
        elif kind == 2:
            texts += [" ".join(words), " ".join([*words[:100], *random_text(random, 200)])]
        else:
            texts.append(" ".join(words))
    return [texts[place] for place in random.permutation(len(texts))[:size]]


def brute_force(texts: list[str]) -> dict[int, int]:
    """Return for each page that goes the first page of its group, from the exact similarity of every two pages."""
    sets = [np.unique(shingles(word_hashes(text), 5, np.uint64(9))) for text in texts]
    owners: dict[int, list[int]] = {}
    for page, grams in enumerate(sets):
        for gram in grams.tolist():
            owners.setdefault(gram, []).append(page)
    shared: dict[tuple[int, int], int] = {}
    for pages in owners.values():
        for pair in combinations(pages, 2):
            shared[pair] = shared.get(pair, 0) + 1
    root = list(range(len(texts)))
    for (a, b), count in shared.items():
        similarity = count / (len(sets[a]) + len(sets[b]) - count)
        assert similarity > 0.9 or similarity < 0.5, "the corpus has no pairs near the threshold"
        if similarity > THRESHOLD:
            first, second = sorted((root[a], root[b]))
            root = [first if name == second else name for name in root]
    return {page: first for page, first in enumerate(root) if page != first}


@pytest.mark.parametrize("preset", ["refinedweb", "fineweb"])
def test_groups_of_2000_documents_are_those_of_their_exact_similarities(tmp_path: Path, preset: str) -> None:
    texts = corpus(np.random.default_rng(5), 2_000)
    write_filtered(tmp_path, [texts[:700], texts[700:1_100], [], texts[1_100:]])
    removed = find_duplicates(tmp_path, {"preset": preset, "bucket_units": 3})
    assert dict(removed[:, :2].tolist()) == brute_force(texts)
    equal = {page for page, _, is_equal in removed.tolist() if is_equal}
    assert equal == {page for page, kept, _ in removed.tolist() if texts[page] == texts[kept]}


def test_the_order_of_the_units_changes_who_stays_but_no_group(tmp_path: Path) -> None:
    texts = corpus(np.random.default_rng(6), 400)
    parts = [texts[:100], texts[100:300], texts[300:]]
    groups = []
    for name, order in (("a", [0, 1, 2]), ("b", [2, 0, 1])):
        units = [parts[part] for part in order]
        write_filtered(tmp_path / name, units)
        flat = [(part, place) for part in order for place in range(len(parts[part]))]
        found: dict[tuple[int, int], set[tuple[int, int]]] = {}
        for page, kept, _ in find_duplicates(tmp_path / name, {"preset": "fineweb"}).tolist():
            found.setdefault(flat[kept], {flat[kept]}).add(flat[page])
        groups.append({frozenset(members) for members in found.values()})
    assert groups[0] == groups[1]


def test_who_stays_is_a_setting(tmp_path: Path) -> None:
    words = random_text(np.random.default_rng(1), 300)
    short, middle, long, longest = (" ".join([*words, *["more"] * count]) for count in (0, 1, 2, 3))
    strain = {short: 0.5, middle: 0.1, long: 0.1, longest: 0.9}
    for keep, expected in (("earliest", 0), ("longest", 3), ("best", 2)):
        write_filtered(tmp_path / keep, [[short, middle], [long, longest, longest]], strain)
        removed = find_duplicates(tmp_path / keep, {"keep": keep})
        assert removed[:, 1].tolist() == [expected] * 4
        assert sorted({*removed[:, 0].tolist(), expected}) == [0, 1, 2, 3, 4]
        is_equal = [keep == "longest" and page == 4 for page in removed[:, 0].tolist()]
        assert removed[:, 2].astype(bool).tolist() == is_equal


def test_texts_that_differ_in_white_space_are_exact_duplicates(tmp_path: Path) -> None:
    words = random_text(np.random.default_rng(1), 100)
    write_filtered(tmp_path, [[" ".join(words), "\n\n".join(words), " ".join(words).upper()]])
    assert removed_reasons(find_duplicates(tmp_path, {})) == ["exact_duplicate", "near_duplicate"]


def test_a_reason_says_whether_an_earlier_run_kept_the_page() -> None:
    rows = np.array([[4, 1, 0], [5, 1, 1], [6, SEEN, 0]], np.uint64)
    assert removed_reasons(rows) == ["near_duplicate", "exact_duplicate", "seen_before"]
    assert removed_reasons(rows[:0]) == []
