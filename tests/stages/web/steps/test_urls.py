from pathlib import Path

import numpy as np
import pytest

from stages.formats.kinds import KINDS
from stages.shared.contract import InputFile
from stages.text.dedup.equal_signatures import SEEN
from stages.web.artifacts import LATER, PAGE, PAGES
from stages.web.config import WebConfig
from stages.web.steps import urls
from tests.stages.harness import unit_folder
from tests.stages.web.filtered import array, run_step, write_filtered, write_removed

CONFIG = WebConfig(inputs="x")
A, B, C = "http://a.example/x", "http://b.example/", "http://c.example/"
TEXTS = [" ".join(f"{name}{number}" for number in range(60)) for name in "abcdefgh"]


def test_the_earliest_page_of_an_address_stays_across_dumps(tmp_path: Path) -> None:
    write_filtered(
        tmp_path,
        [[(A, "one"), (B, "two")], [("https://www.a.example/x/#top", "three"), (C, "four")], [(B, "five"), (A, "six")]],
    )
    (summary,) = run_step(CONFIG, tmp_path, "urls")
    later = array(tmp_path, LATER)
    assert later.dtype == np.uint64
    assert later.tolist() == [[2, 0], [4, 1], [5, 0]]
    assert summary == {"pages": 6, "seen": 3, "seen_in_earlier_runs": 0}


def test_pages_that_are_gone_stand_in_nobodys_way(tmp_path: Path) -> None:
    write_filtered(
        tmp_path, [[(A, TEXTS[0]), (A, TEXTS[1]), (B, TEXTS[2])], [(C, TEXTS[2]), (B, TEXTS[3]), (A, TEXTS[4])]]
    )
    write_removed(tmp_path, [(0, 1, 0)])
    run_step(CONFIG, tmp_path, "substrings")  # pages 2 and 3 share all they have
    run_step(CONFIG, tmp_path, "urls")
    assert array(tmp_path, LATER).tolist() == [[5, 1]]


@pytest.mark.parametrize("pages_a_pass", [1, 7, 1_000])
def test_any_number_of_passes_finds_the_same(
    tmp_path: Path, pages_a_pass: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(urls, "PAGES_A_PASS", pages_a_pass)
    draw = np.random.default_rng(0)
    hashes = draw.integers(0, 2**64 - 1, 40, dtype=np.uint64)[draw.integers(0, 40, 100)]
    for place in range(4):
        final = unit_folder(tmp_path, "filter", place)
        final.mkdir(parents=True)
        pages = np.zeros(25, dtype=PAGE)
        pages["url"] = hashes[25 * place : 25 * place + 25]
        PAGES.save(final, pages)
    run_step(CONFIG, tmp_path, "urls")
    first: dict[int, int] = {}
    expected = [
        [number, first[url]] for number, url in enumerate(hashes.tolist()) if first.setdefault(url, number) != number
    ]
    assert array(tmp_path, LATER).tolist() == expected


def test_an_address_that_an_earlier_run_kept_is_left_out_every_time(tmp_path: Path) -> None:
    earlier, later = tmp_path / "earlier", tmp_path / "later"
    config = WebConfig(inputs="x", dedup={"enabled": False}, exact={"enabled": False})
    write_filtered(earlier, [[(A, TEXTS[0]), (B, TEXTS[1])]])
    for name in ("urls", "documents", "index"):
        run_step(config, earlier, name)
    write_filtered(later, [[(C, TEXTS[2]), (B, TEXTS[3])], [(B, TEXTS[4]), (C, TEXTS[5])]])
    index = InputFile(unit_folder(earlier, "index", 0) / KINDS.index.file, "index")
    (summary,) = run_step(config, later, "urls", seen=[index])
    assert array(later, LATER).tolist() == [[1, int(SEEN)], [2, int(SEEN)], [3, 0]]
    assert summary["seen_in_earlier_runs"] == 2


def test_no_page_at_all_is_no_error(tmp_path: Path) -> None:
    write_filtered(tmp_path, [[], []])
    run_step(CONFIG, tmp_path, "urls")
    assert array(tmp_path, LATER).shape == (0, 2)
