"""Compressed streams: several in a file, damaged, cut off, and ones that inflate a thousand times."""

from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from stages.curated.items import Damaged
from stages.curated.reading.streams import PIECE, chunks, find_stream, read_all

PACKS: dict[str, Callable[[bytes], bytes]] = {
    ".bz2": bz2.compress,
    ".gz": gzip.compress,
    ".xz": lzma.compress,
    ".zst": zstandard.ZstdCompressor().compress,
    ".xml": bytes,
}
TEXT = b"".join(b"%d lines of text, and more of it\n" % number for number in range(30_000))


def read(path: Path) -> tuple[bytes, list[str]]:
    damages: list[Damaged] = []
    data = b"".join(chunks(path, damages.append))
    return data, [each.reason for each in damages]


@pytest.mark.parametrize("suffix", PACKS)
def test_streams_that_follow_each_other_are_one_content(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(PACKS[suffix](TEXT) + PACKS[suffix](b"second"))
    assert read(path) == (TEXT + b"second", [])


@pytest.mark.parametrize("suffix", [".bz2", ".gz", ".xz", ".zst"])
def test_a_file_that_is_cut_off_gives_what_it_has(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(PACKS[suffix](b"first") + PACKS[suffix](TEXT)[:-9])
    data, reasons = read(path)
    assert (b"first" + TEXT).startswith(data) and data.startswith(b"first")
    assert reasons == ["truncated_file"]


def test_a_damaged_stream_of_a_multistream_file_costs_itself(tmp_path: Path) -> None:
    first, second, third = (bz2.compress(b"%d " % number + TEXT) for number in range(3))
    broken = bytearray(second)
    broken[len(second) // 2] ^= 255
    (tmp_path / "a.bz2").write_bytes(first + broken + third)
    data, reasons = read(tmp_path / "a.bz2")
    assert data.startswith(b"0 " + TEXT) and data.endswith(b"2 " + TEXT)
    assert reasons == ["damaged_part"]


@pytest.mark.parametrize("suffix", [".bz2", ".gz", ".xz", ".zst"])
def test_what_inflates_a_thousand_times_comes_in_bounded_pieces(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"bomb{suffix}"
    path.write_bytes(PACKS[suffix](bytes(64 << 20)))
    assert path.stat().st_size < 200_000
    largest = total = 0
    for chunk in chunks(path, pytest.fail):
        largest, total = max(largest, len(chunk)), total + len(chunk)
    assert total == 64 << 20
    assert largest <= 24 * PIECE
    assert read_all(path, 1 << 20, pytest.fail) is None


def test_a_file_of_another_format_is_one_damage(tmp_path: Path) -> None:
    for suffix in (".bz2", ".gz", ".xz", ".zst"):
        (tmp_path / f"a{suffix}").write_bytes(b"plain text, not compressed")
        assert read(tmp_path / f"a{suffix}") == (b"", ["damaged_part"])


def test_a_stream_is_found_by_its_mark() -> None:
    data = b"BZh no BZh9 " + bz2.compress(b"x")
    assert find_stream(data) == 12
    assert find_stream(data, 13) is None
