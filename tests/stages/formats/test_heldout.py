"""The share of records that is held out."""

from __future__ import annotations

from stages.formats.heldout import is_heldout


def test_nothing_is_held_out_at_zero_and_the_share_is_kept() -> None:
    ids = [f"id-{n}" for n in range(20_000)]
    assert not any(is_heldout(i, 0.0) for i in ids)
    assert 0.045 < sum(is_heldout(i, 0.05) for i in ids) / len(ids) < 0.055
    assert {i for i in ids if is_heldout(i, 0.01)} <= {i for i in ids if is_heldout(i, 0.05)}
