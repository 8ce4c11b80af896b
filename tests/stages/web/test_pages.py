from pathlib import Path

import numpy as np

from stages.web.pages import PAGE, PAGES, first_numbers, number_pages, text_hash, url_hash


def test_two_captures_of_one_address_have_one_hash() -> None:
    same = ["http://www.a.example/x/", "https://a.example/x", "https://A.example/X#top"]
    assert len({url_hash(url) for url in same}) == 1
    assert url_hash("https://a.example/x?page=2") != url_hash("https://a.example/x")


def test_white_space_does_not_make_another_text_but_a_letter_does() -> None:
    assert text_hash("one  two\nthree") == text_hash("one two three ")
    assert text_hash("one two three") != text_hash("one two Three")


def test_pages_are_numbered_over_all_shards_in_order(tmp_path: Path) -> None:
    for shard, size in enumerate((2, 0, 3)):
        folder = shard_dir(tmp_path / "filter", shard)
        folder.mkdir(parents=True)
        np.save(folder / PAGES, np.zeros(size, dtype=PAGE))
    assert first_numbers({"filter": tmp_path / "filter"}) == [0, 2, 2, 5]


def test_a_step_that_has_numbered_the_pages_spares_others_the_shards(tmp_path: Path) -> None:
    steps = {name: tmp_path / name for name in ("filter", "cluster")}
    for path in steps.values():
        shard_dir(path, 0).mkdir(parents=True)
    np.save(shard_dir(steps["filter"], 0) / PAGES, np.zeros(3, dtype=PAGE))
    assert number_pages({"filter": steps["filter"]}, shard_dir(steps["cluster"], 0)) == [0, 3]
    assert first_numbers({"filter": tmp_path / "not looked at", "cluster": steps["cluster"]}) == [0, 3]
