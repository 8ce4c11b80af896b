from pathlib import Path

import numpy as np

from stages.web.artifacts import PAGE, PAGES
from stages.web.page_numbers import first_numbers, number_pages, rows_between


def test_pages_are_numbered_over_all_units_in_order(tmp_path: Path) -> None:
    for place, size in enumerate((2, 0, 3)):
        folder = tmp_path / str(place)
        folder.mkdir(parents=True)
        PAGES.save(folder, np.zeros(size, dtype=PAGE))
    assert first_numbers({"filter": [tmp_path / str(place) for place in range(3)]}) == [0, 2, 2, 5]


def test_a_step_that_has_numbered_the_pages_spares_others_the_units(tmp_path: Path) -> None:
    filtered, cluster = tmp_path / "filter", tmp_path / "cluster"
    for path in (filtered, cluster):
        path.mkdir()
    PAGES.save(filtered, np.zeros(3, dtype=PAGE))
    assert number_pages({"filter": [filtered]}, cluster) == [0, 3]
    assert first_numbers({"filter": [tmp_path / "not looked at"], "cluster": [cluster]}) == [0, 3]


def test_the_rows_of_some_pages_are_found_by_their_numbers() -> None:
    rows = np.array([[1, 9], [4, 9], [4, 8], [7, 9]], np.uint64)
    assert rows_between(rows, 2, 7).tolist() == [[4, 9], [4, 8]]
    assert rows_between(rows[:, 0], 0, 5).tolist() == [1, 4, 4]
    assert rows_between(rows, 8, 20).shape == (0, 2)
