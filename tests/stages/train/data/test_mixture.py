"""Shares and epochs of sources."""

from __future__ import annotations

import pytest

from stages.train.data.mixture import readings, warning


def test_without_a_mixture_all_sources_are_read_equally_often() -> None:
    web, wiki = readings({"web": 900, "wiki": 100}, None, 500)
    assert (web.share, wiki.share) == (0.9, 0.1)
    assert web.epochs == wiki.epochs == 0.5


def test_llamas_shares_give_its_epochs() -> None:
    # arXiv:2302.13971, table 1: of 1.4 T tokens Wikipedia is 4.5 % and read 2.45 times, so it has 25.7 B tokens.
    shares = {"CommonCrawl": 67.0, "Wikipedia": 4.5, "others": 28.5}
    found = readings({"CommonCrawl": 853e9, "Wikipedia": 25.7e9, "others": 400e9}, shares, 1.4e12)
    assert [round(each.epochs, 2) for each in found] == [1.10, 2.45, 1.0]
    assert str(found[1]) == "Wikipedia 4.5%, read 2.45 times"
    assert not warning(found)


def test_what_is_read_more_than_four_times_is_named_the_most_first() -> None:
    found = readings({"a": 10, "b": 1, "c": 2}, {"a": 1, "b": 1, "c": 1}, 30)
    assert [each.epochs for each in found] == pytest.approx([1, 10, 5])
    assert warning(found).startswith("b 10.0 times, c 5.0 times: beyond 4")
