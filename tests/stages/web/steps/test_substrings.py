from pathlib import Path

import numpy as np
import pytest

from stages.web.artifacts import RANGES, SHORT
from stages.web.config import WebConfig
from tests.stages.web.filtered import Page, array, run_step, write_filtered, write_removed


def words(start: int, count: int) -> str:
    return " ".join(f"w{number}" for number in range(start, start + count))


def page(name: str, *texts: str) -> Page:
    return f"http://site.example/{name}", "\n".join(texts)


SHARED = words(0, 60)


def settings(**exact: object) -> WebConfig:
    return WebConfig(inputs="x", exact=exact)


def test_ranges_say_page_first_token_and_end_over_all_units(tmp_path: Path) -> None:
    write_filtered(
        tmp_path,
        [[page("a", words(1000, 70)), page("b", words(2000, 80), SHARED)], [page("c", SHARED, words(3000, 90))]],
    )
    write_removed(tmp_path, [])
    (summary,) = run_step(settings(), tmp_path, "substrings")
    ranges = array(tmp_path, RANGES)
    assert ranges.dtype == np.uint64
    assert ranges.tolist() == [[1, 80, 140], [2, 0, 60]]
    assert array(tmp_path, SHORT).tolist() == []
    assert summary == {"documents": 3, "tokens": 360, "spans": 2, "tokens_cut": 120, "documents_cut": 2, "too_short": 0}


def test_the_first_rule_spares_the_first_page(tmp_path: Path) -> None:
    write_filtered(tmp_path, [[page("a", words(1000, 70), SHARED)], [page("b", SHARED, words(2000, 70))]])
    run_step(settings(rule="first"), tmp_path, "substrings")
    assert array(tmp_path, RANGES).tolist() == [[1, 0, 60]]


def test_pages_that_were_removed_are_not_looked_at(tmp_path: Path) -> None:
    write_filtered(tmp_path, [[page("a", SHARED), page("b", SHARED)], [page("c", words(1000, 60))]])
    write_removed(tmp_path, [(1, 0, 1)])
    (summary,) = run_step(settings(), tmp_path, "substrings")
    assert (summary["documents"], summary["spans"]) == (2, 0)


@pytest.mark.parametrize(("min_words", "short"), [(0, []), (20, [0]), (21, [0, 1]), (50, [0, 1])])
def test_pages_with_too_few_words_left_are_listed_and_symbols_are_no_words(
    tmp_path: Path, min_words: int, short: list[int]
) -> None:
    left = " , ".join(f"v{number}" for number in range(20))
    write_filtered(tmp_path, [[page("a", SHARED), page("b", SHARED, left), page("c", words(5000, 10))]])
    run_step(settings(min_words=min_words), tmp_path, "substrings")
    assert array(tmp_path, SHORT).tolist() == short, "page c is short, but nothing was cut from it"


def test_parts_take_units_in_turn_and_know_nothing_of_each_other(tmp_path: Path) -> None:
    pages = [[page(f"{place}", words(1000 * place, 60), SHARED)] for place in range(1, 5)]
    write_filtered(tmp_path, pages)
    run_step(settings(parts=2), tmp_path, "substrings", units=2)
    assert array(tmp_path, RANGES, 0).tolist() == [[0, 60, 120], [2, 60, 120]]
    assert array(tmp_path, RANGES, 1).tolist() == [[1, 60, 120], [3, 60, 120]]


@pytest.mark.parametrize("units", [[[]], [[], []], [[page("a", words(0, 500))]], [[page("a", "")]]])
def test_nothing_one_page_and_an_empty_text_have_no_ranges(tmp_path: Path, units: list[list[Page]]) -> None:
    write_filtered(tmp_path, units)
    run_step(settings(), tmp_path, "substrings")
    assert array(tmp_path, RANGES).shape == (0, 3)
    assert array(tmp_path, SHORT).shape == (0,)


def test_letters_of_scripts_without_spaces_are_tokens(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    shared, *own = ("".join(map(chr, draw.integers(0x4E00, 0x9FA0, 55))) for _ in range(3))
    write_filtered(tmp_path, [[page("a", own[0] + shared), page("b", shared + own[1])]])
    run_step(settings(), tmp_path, "substrings")
    assert array(tmp_path, RANGES).tolist() == [[0, 55, 110], [1, 0, 55]]


def test_case_and_marks_tell_tokens_apart_and_white_space_does_not(tmp_path: Path) -> None:
    pages = [page("a", SHARED), page("b", SHARED.upper()), page("c", SHARED.replace("3", "3\u0301"))]
    write_filtered(tmp_path, [[*pages, page("d", SHARED.replace(" ", "\n \t"))]])
    run_step(settings(), tmp_path, "substrings")
    assert array(tmp_path, RANGES).tolist() == [[0, 0, 60], [3, 0, 60]]


def test_a_page_of_20_mb_with_a_repeat_at_its_end(tmp_path: Path) -> None:
    large = " ".join(map(str, range(10_000_000, 12_300_000)))
    assert len(large) > 20_000_000
    write_filtered(tmp_path, [[page("a", large, SHARED), page("b", words(90_000, 60), SHARED)]])
    run_step(settings(), tmp_path, "substrings")
    assert array(tmp_path, RANGES).tolist() == [[0, 2_300_000, 2_300_060], [1, 60, 120]]
