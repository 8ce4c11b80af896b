from collections import defaultdict
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from stages.web.steps.buckets import EDGES, same_hash
from stages.web.steps.cluster import components
from stages.web.steps.signatures import BANDS, open_shards
from tests.stages.harness import run_stage, step_folder


def test_pages_with_the_same_hash_are_joined_to_the_first_of_them() -> None:
    hashes = np.array([7, 5, 7, 9, 5, 7], dtype=np.uint64)
    assert sorted(map(tuple, same_hash(hashes).tolist())) == [(0, 2), (0, 5), (1, 4)]


def test_no_pages_and_no_equal_hashes_give_no_pairs() -> None:
    assert same_hash(np.array([], dtype=np.uint64)).shape == (0, 2)
    assert same_hash(np.array([3, 1, 2], dtype=np.uint64)).shape == (0, 2)


def brute_force(bands: np.ndarray) -> set[frozenset[int]]:
    """Return groups by comparing every pair of pages."""
    joined: dict[int, set[int]] = defaultdict(set)
    for a, b in combinations(range(bands.shape[1]), 2):
        if (bands[:, a] == bands[:, b]).any():
            merged = joined[a] | joined[b] | {a, b}
            for page in merged:
                joined[page] = merged
    return {frozenset(group) for group in joined.values()}


def test_the_groups_are_those_of_comparing_every_pair(sample_run: Any) -> None:
    bands = np.concatenate(open_shards(step_folder(sample_run.folder, "signatures"), BANDS), axis=1)
    (edges,) = open_shards(step_folder(sample_run.folder, "buckets"), EDGES)
    members, groups = components(edges)
    found = {frozenset(members[groups == group].tolist()) for group in set(groups.tolist())}
    assert found == brute_force(bands)


def test_the_number_of_elements_does_not_change_the_documents(sample_run: Any, tmp_path: Path) -> None:
    inputs = {"inputs": sample_run.warcs[:1]}
    contents = []
    for shards in (1, 5):
        dedup = {"preset": "fineweb", "bucket_shards": shards}
        config = sample_run.config.model_copy(update={"dedup": type(sample_run.config.dedup)(**dedup)})
        outputs = run_stage(config, inputs, tmp_path / str(shards))
        contents.append([file.path.read_bytes() for kind in sorted(outputs) for file in outputs[kind]])
    assert contents[0] == contents[1]
