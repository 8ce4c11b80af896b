from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stages.shared.contract import SAME, WHOLE, After, Step
from stages.text.dedup.equal_signatures import SEEN
from stages.text.dedup.union_find import join, make_parents, settle
from stages.web.artifacts import BANDS, EDGES
from stages.web.config import WebConfig
from stages.web.steps import buckets
from stages.web.steps.buckets import of_this_run
from tests.stages.harness import all_units, load_run, make_task, unit_folder
from tests.stages.web.fuzzy import edited, find_duplicates, random_text, write_filtered

METHODS = ({"preset": "fineweb"}, {"method": "simhash", "simhash_distance": 8, "simhash_blocks": 10})


def units_of_families(seed: int) -> list[list[str]]:
    """Return texts in three units, of which many are close to another one in any unit."""
    random = np.random.default_rng(seed)
    texts = []
    for _ in range(60):
        text = random_text(random, 150)
        texts += [" ".join(edited(random, text, changes)) for changes in (0, 0, 1, 2, 4)[: random.integers(1, 6)]]
    order = random.permutation(len(texts))
    return [[texts[place] for place in part] for part in np.array_split(order, 3)]


def groups_of_every_pair(bands: np.ndarray, simhash: bool) -> list[int]:
    """Return the roots of the groups that comparing every two pages gives."""
    parents = make_parents(bands.shape[1])
    for number in range(bands.shape[1]):
        if simhash:
            is_near = np.array([int(value).bit_count() <= 8 for value in (bands[0] ^ bands[0, number]).tolist()])
        else:
            is_near = (bands == bands[:, number : number + 1]).any(axis=0)
        others = np.flatnonzero(is_near).astype(np.uint64)
        join(parents, np.stack([np.full(len(others), number, np.uint64), others], axis=1))
    settle(parents)
    return parents.tolist()


@pytest.mark.parametrize("dedup", METHODS)
@pytest.mark.parametrize("at_once", [10**6, 32])
def test_the_groups_are_those_of_comparing_every_pair(
    tmp_path: Path, dedup: dict[str, object], at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(buckets, "pages_at_once", lambda memory_mb: at_once)
    monkeypatch.setattr(buckets, "known_pairs", lambda memory_mb, num_pages: at_once)
    monkeypatch.setattr(buckets, "PART", at_once // 2)
    write_filtered(tmp_path, units_of_families(seed=1))
    removed = find_duplicates(tmp_path, dedup)
    bands = np.concatenate([np.load(unit / BANDS) for unit in all_units(tmp_path, "signatures")], axis=1)
    expected = groups_of_every_pair(bands, "method" in dedup)
    assert {row[0]: row[1] for row in removed.tolist()} == {
        page: root for page, root in enumerate(expected) if page != root
    }
    assert len(removed) > 60


def test_the_number_of_elements_and_the_memory_do_not_change_what_is_removed(tmp_path: Path) -> None:
    found = []
    for name, settings in (("one", {}), ("five", {"bucket_units": 5}), ("small", {"memory_mb": 64})):
        write_filtered(tmp_path / name, units_of_families(seed=2))
        found.append(find_duplicates(tmp_path / name, {"preset": "fineweb", **settings}))
    assert np.array_equal(found[0], found[1]) and np.array_equal(found[0], found[2])


def test_a_rerun_gives_the_same_bytes(tmp_path: Path) -> None:
    contents = []
    for name in ("first", "again"):
        write_filtered(tmp_path / name, units_of_families(seed=3))
        find_duplicates(tmp_path / name, {"preset": "fineweb", "bucket_units": 2})
        files = sorted((tmp_path / name / "steps").rglob("*.npy"))
        contents.append([(path.relative_to(tmp_path / name), path.read_bytes()) for path in files])
    assert contents[0] == contents[1]


def test_a_killed_element_run_again_gives_the_same_bytes(tmp_path: Path) -> None:
    write_filtered(tmp_path, units_of_families(seed=3))
    find_duplicates(tmp_path, {"preset": "fineweb"})
    config = WebConfig(inputs="x", dedup={"preset": "fineweb"})
    for name, after in (("signatures", After("filter", SAME)), ("buckets", After("signatures"))):
        step = Step(name=name, run=f"stages.web.steps.{name}:run", units=WHOLE, uses=(), after=(after,))
        task = make_task(config, step, 0, {}, tmp_path)
        with pytest.raises(KeyboardInterrupt):
            load_run(step)(replace(task, progress=kill_at(7)))
        again = tmp_path / "again" / name
        again.mkdir(parents=True)
        load_run(step)(replace(task, out=again))
        final = unit_folder(tmp_path, name, 0)
        assert {path.name: path.read_bytes() for path in again.iterdir()} == {
            path.name: path.read_bytes() for path in final.iterdir()
        }


def kill_at(count: int) -> Callable[[int], None]:
    def progress(done: int) -> None:
        if done == count:
            raise KeyboardInterrupt

    return progress


def test_no_pages_at_all_are_no_pairs(tmp_path: Path) -> None:
    write_filtered(tmp_path, [[], []])
    assert find_duplicates(tmp_path, {}).shape == (0, 3)
    assert np.load(unit_folder(tmp_path, "buckets", 0) / EDGES).shape == (0, 2)


def test_only_pages_of_one_dump_are_compared_if_asked(tmp_path: Path) -> None:
    text = " ".join(random_text(np.random.default_rng(1), 100))
    for scope, expected in (("all", [(1, 0), (2, 0), (3, 0)]), ("dump", [(1, 0), (3, 2)])):
        write_filtered(tmp_path / scope, [[text], [text], [text, text]])
        dumps = ("2024-10", "2024-10", "2024-18")
        removed = find_duplicates(tmp_path / scope, {"preset": "fineweb", "scope": scope}, dumps)
        assert [(page, kept) for page, kept, _ in removed.tolist()] == expected


def test_pairs_of_earlier_pages_alone_are_dropped() -> None:
    pairs = np.array([[SEEN, SEEN], [SEEN, 4], [3, SEEN], [5, 2]], np.uint64)
    assert of_this_run(pairs).tolist() == [[4, int(SEEN)], [3, int(SEEN)], [2, 5]]
