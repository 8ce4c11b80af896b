from pathlib import Path

import numpy as np

from stages.shared.contract import shard_dir
from stages.web.pages import PAGE, PAGES, first_numbers, open_shards, text_hash, url_hash


def test_two_captures_of_one_address_have_one_hash() -> None:
    same = ["http://www.a.example/x/", "https://a.example/x", "https://A.example/X#top"]
    assert len({url_hash(url) for url in same}) == 1
    assert url_hash("https://a.example/x?page=2") != url_hash("https://a.example/x")


def test_white_space_does_not_make_another_text_but_a_letter_does() -> None:
    assert text_hash("one  two\nthree") == text_hash("one two three ")
    assert text_hash("one two three") != text_hash("one two Three")


def test_pages_are_numbered_over_all_shards_in_order(tmp_path: Path) -> None:
    for shard, size in enumerate((2, 0, 3)):
        folder = shard_dir(tmp_path, shard)
        folder.mkdir(parents=True)
        np.save(folder / PAGES, np.zeros(size, dtype=PAGE))
    assert first_numbers(tmp_path) == [0, 2, 2, 5]
    assert [len(pages) for pages in open_shards(tmp_path, PAGES)] == [2, 0, 3]
