"""Shares and epochs of sources."""

from __future__ import annotations

import pytest

from stages.shared.errors import ConfigError
from stages.train.mixing.settings import LastSettings, MixingSettings
from stages.train.mixing.shares import costs, phases, readings, warning


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


def shares(mixing: MixingSettings, mixture: dict[str, float] | None = None, wanted: float = 100.0) -> dict[str, float]:
    found = readings({"big": 900.0, "small": 90.0, "tiny": 10.0}, mixture, wanted, mixing)
    assert sum(each.share for each in found) == pytest.approx(1)
    return {each.source: each.share for each in found}


def test_the_piles_weights_follow_from_sizes_and_epochs() -> None:
    assert shares(MixingSettings(weights="epochs"), {"big": 1, "small": 2, "tiny": 3}) == pytest.approx(
        {"big": 900 / 1110, "small": 180 / 1110, "tiny": 30 / 1110}
    )


def test_a_temperature_reads_small_sources_more_often() -> None:
    roots = {"big": 900 ** (1 / 3), "small": 90 ** (1 / 3), "tiny": 10 ** (1 / 3)}
    whole = sum(roots.values())
    assert shares(MixingSettings(temperature=3)) == pytest.approx({name: root / whole for name, root in roots.items()})
    assert shares(MixingSettings()) == {"big": 0.9, "small": 0.09, "tiny": 0.01}


def test_a_source_that_runs_out_gives_the_rest_to_the_others_and_is_named() -> None:
    mixture = {"big": 50.0, "small": 25.0, "tiny": 25.0}
    found = readings({"big": 900.0, "small": 90.0, "tiny": 10.0}, mixture, 200.0, MixingSettings(max_epochs=1))
    assert [each.share for each in found] == pytest.approx([0.95 * 2 / 3, 0.95 / 3, 0.05])
    assert found[2].epochs == pytest.approx(1)
    assert found[2].asked == 0.25
    assert warning(found).startswith(
        "runs out by mixing.max_epochs: tiny after 1 times, 5.00% of the sequences, not 25"
    )


def test_a_second_source_that_then_runs_out_is_limited_too() -> None:
    found = shares(MixingSettings(max_epochs=1), {"big": 10.0, "small": 45.0, "tiny": 45.0}, wanted=200.0)
    assert found == pytest.approx({"big": 0.5, "small": 0.45, "tiny": 0.05})


def test_too_little_text_is_one_error() -> None:
    with pytest.raises(ConfigError, match=r"mixing\.max_epochs = 1\.0: must be more, or fewer training tokens"):
        shares(MixingSettings(max_epochs=1), wanted=1001.0)


def test_the_end_has_the_first_call_on_a_scarce_source() -> None:
    mixing = MixingSettings(max_epochs=1, last=LastSettings(share=0.1, mixture={"tiny": 1.0}))
    first, last = phases({"big": 900.0, "tiny": 10.0}, {"big": 1.0, "tiny": 1.0}, mixing, 100.0)
    assert last.shares == {"big": 0.0, "tiny": 1.0}
    assert first.shares == pytest.approx({"big": 1.0, "tiny": 0.0})
    assert first.asked == {"big": 0.5, "tiny": 0.5}


def test_what_suffices_what_repeats_and_what_each_takes_is_one_line() -> None:
    found = readings({"web": 900.0, "wiki": 100.0}, {"web": 1.0, "wiki": 1.0}, 400.0)
    assert costs(found, 1000.0) == "suffice: web 500 h; repeat: wiki 500 h"
    many = readings({f"s{number}": 10.0 for number in range(10)}, None, 50.0)
    assert costs(many, 10.0).endswith("s7 1 h, 2 more")
