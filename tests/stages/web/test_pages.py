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


def test_pages_are_numbered_over_all_units_in_order(tmp_path: Path) -> None:
    for place, size in enumerate((2, 0, 3)):
        folder = tmp_path / str(place)
        folder.mkdir(parents=True)
        np.save(folder / PAGES, np.zeros(size, dtype=PAGE))
    assert first_numbers({"filter": [tmp_path / str(place) for place in range(3)]}) == [0, 2, 2, 5]


def test_a_step_that_has_numbered_the_pages_spares_others_the_units(tmp_path: Path) -> None:
    filtered, cluster = tmp_path / "filter", tmp_path / "cluster"
    for path in (filtered, cluster):
        path.mkdir()
    np.save(filtered / PAGES, np.zeros(3, dtype=PAGE))
    assert number_pages({"filter": [filtered]}, cluster) == [0, 3]
    assert first_numbers({"filter": [tmp_path / "not looked at"], "cluster": [cluster]}) == [0, 3]
