"""Packed records: found by name, whole, and never where they are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.shared.packed import one_packed, packed_names, packed_text, read_packed, write_packed

RECORDS = {"a.1": '{"text": "tab\\t and line\\n"}', "a.10": "[1, 2]", "ü": '"x"'}


def test_records_come_back_by_name(tmp_path: Path) -> None:
    path = tmp_path / "done.packed"
    write_packed(path, RECORDS.items())
    assert packed_names(path) == RECORDS.keys() == read_packed(path).keys()
    assert one_packed(path, "a.1") == {"text": "tab\t and line\n"}
    assert (one_packed(path, "a.10"), one_packed(path, "ü")) == ([1, 2], "x")
    assert len(path.read_text("utf-8").splitlines()) == 3


def test_a_name_is_no_part_of_another_and_no_part_of_a_text(tmp_path: Path) -> None:
    path = tmp_path / "done.packed"
    write_packed(path, [("a.10", '"b\\tb"'), ("c", '"a"')])
    assert [packed_text(path, name) for name in ("a.1", "b", "a", ".10")] == [None] * 4
    with pytest.raises(FileNotFoundError, match=r"done\.packed: b"):
        one_packed(path, "b")


def test_no_file_holds_no_record_and_what_is_no_json_is_not_packed(tmp_path: Path) -> None:
    path = tmp_path / "done.packed"
    assert (read_packed(path), packed_names(path), packed_text(path, "a")) == ({}, frozenset(), None)
    with pytest.raises(ValueError, match="Expecting"):
        write_packed(path, [("a", "half a rec")])
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_replaced_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "done.packed"
    for text in ("1", "2", "3"):
        write_packed(path, [("a", text)])
        assert packed_text(path, "a") == text
    changed = read_packed(path)
    changed.clear()
    assert packed_text(path, "a") == "3"
    path.unlink()
    assert packed_text(path, "a") is None
