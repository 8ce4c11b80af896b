"""What lies between encoding and packing; its numbers are tested with both steps, in test_pack.py."""

from __future__ import annotations

from stages.chats.encoded import places, rows_name


def test_a_source_of_any_name_has_a_file_name() -> None:
    assert rows_name("a/b c") == "rows-a%2Fb%20c.bin"
    assert rows_name("a", is_heldout=True) == "heldout-a.bin"


def test_items_are_counted_over_all_files_and_empty_ones_have_none() -> None:
    total, place = places([2, 0, 1])
    assert (total, [place(number) for number in range(total)]) == (3, [(0, 0), (0, 1), (2, 0)])
    assert places([])[0] == 0
