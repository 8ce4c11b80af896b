import gzip
import random
import tracemalloc
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from stages.sample.warc import gzip_member
from stages.web.read.warc import LostPage, Page
from tests.stages.web.warcs import brief, flip, member, read_file, record, what_is_in

A, B, C = member(b"a"), member(b"b" + random.Random(0).randbytes(5_000).hex().encode()), member(b"c")
LONG = "b" + random.Random(0).randbytes(5_000).hex()[:19]


def test_pages_come_in_order_with_address_and_charset(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(A + C)
    first, second = read_file(tmp_path / "x", 100)
    assert first == Page("1", "http://a.example/", b"a", "utf-8")
    assert isinstance(second, Page) and second.body == b"c"


@pytest.mark.parametrize(
    ("damaged", "kept"),
    [
        (A + flip(B, len(B) // 2) + C, ["a", "[damaged_record]", "c"]),
        (A + flip(B, 0) + C, ["a", "[damaged_record]", "c"]),
        (A + flip(B, -5) + C, ["a", "[damaged_record]", "c"]),
        (A + b"garbage" * 30 + C, ["a", "[damaged_record]", "c"]),
        (A + flip(B, 100) + flip(B, 100) + C, ["a", "[damaged_record]", "[damaged_record]", "c"]),
        (flip(A, 0) + B + C, ["[damaged_record]", LONG, "c"]),
        (A + B + flip(C, 60), ["a", LONG, "[damaged_record]"]),
        (A + flip(gzip_member(record(b"b" * 900)), 500) + C, ["a", "[damaged_record]", "c"]),
    ],
    ids=["middle", "magic", "checksum", "garbage between", "two", "first", "last", "stored"],
)
def test_a_damaged_member_costs_itself_only(tmp_path: Path, damaged: bytes, kept: list[str]) -> None:
    assert what_is_in(tmp_path, damaged) == kept


@pytest.mark.parametrize("missing", [1, 40, 2_000])
def test_a_file_cut_in_its_last_record_keeps_the_others(tmp_path: Path, missing: int) -> None:
    assert what_is_in(tmp_path, A + B[:-missing])[0] == "a"
    assert what_is_in(tmp_path, A + B[:-2_000]) == ["a", "[truncated_record]"]
    assert what_is_in(tmp_path, A + B[:15]) == ["a", "[truncated_record]"]


@pytest.mark.parametrize(
    ("length", "first"), [(0, "hello"), (20, "hello"), (80, "[truncated_record]"), (10**15, "[truncated_record]")]
)
def test_a_record_that_lies_about_its_length_is_read_to_its_end_and_leaves_the_next_alone(
    tmp_path: Path, length: int, first: str
) -> None:
    assert what_is_in(tmp_path, member(b"hello", length=length) + C) == [first, "c"]
    assert what_is_in(tmp_path, member(b"hello", length=-5) + C) == ["hello", "c"]
    if length < 80:  # without members, where a record ends can be seen only where the next begins
        assert what_is_in(tmp_path, record(b"hello", length=length) + record(b"c")) == ["hello", "c"]


def test_one_member_with_many_records_and_no_compression_at_all_are_read_too(tmp_path: Path) -> None:
    assert what_is_in(tmp_path, gzip.compress(record(b"a") + record(b"b") + record(b"c"))) == ["a", "b", "c"]
    assert what_is_in(tmp_path, record(b"a") + record(b"b")) == ["a", "b"]
    assert what_is_in(tmp_path, record(b"a") + b"garbage\r\n" + record(b"c")) == ["a", "[damaged_record]", "c"]


@pytest.mark.parametrize("data", [b"", b"\0\1abc" * 10_000, b"\x1f\x8b\x08", gzip.compress(b"no records", mtime=0)])
def test_a_file_without_records_is_one_loss_with_its_name(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x").write_bytes(data)
    assert read_file(tmp_path / "x", 100) == [LostPage("unreadable_file", id="x")]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (member(b"x", url=""), "no_url"),
        (gzip.compress(record(b"x").replace(b"200 OK", b"301 Moved"), mtime=0), "http_status"),
        (gzip.compress(record(b"x").replace(b"HTTP/1.1 200 OK", b"GARBAGE"), mtime=0), "no_http_response"),
        (member(b" \r\n\0"), "empty_body"),
        (member(b"%PDF-1.7 text"), "not_html"),
        (member(b"\n\x89PNG\r\n"), "not_html"),
        (gzip.compress(record(b"x").replace(b"text/html", b"image/gif"), mtime=0), "not_html"),
        (member(b"x" * 101), "too_large"),
    ],
)
def test_what_is_no_page_has_its_reason(tmp_path: Path, data: bytes, reason: str) -> None:
    assert what_is_in(tmp_path, data + A, max_bytes=100) == [f"[{reason}]", "a"]


def test_a_page_of_exactly_the_largest_size_is_read(tmp_path: Path) -> None:
    assert what_is_in(tmp_path, member(b"x" * 100), max_bytes=100) == ["x" * 20]


def conversion(text: bytes, content_type: bytes = b"text/plain") -> bytes:
    """A record of a WET file."""
    return (
        b"WARC/1.0\r\nWARC-Type: conversion\r\nWARC-Target-URI: http://a.example/\r\nWARC-Record-ID: <urn:uuid:1>\r\n"
        b"Content-Type: %s\r\nContent-Length: %d\r\n\r\n%s\r\n\r\n" % (content_type, len(text), text)
    )


def test_conversions_are_pages_of_plain_text(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(gzip.compress(conversion("grün".encode())) + A)
    first, second = read_file(tmp_path / "x", 100)
    assert first == Page("1", "http://a.example/", "grün".encode(), "utf-8", is_plain=True)
    assert isinstance(second, Page) and not second.is_plain


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (conversion(b" \n"), "empty_body"),
        (conversion(b"x" * 101), "too_large"),
        (conversion(b"x", b"text/html"), "not_plain_text"),
        (conversion(b"x").replace(b"http://a.example/", b""), "no_url"),
    ],
)
def test_conversions_that_are_no_pages_have_their_reason(tmp_path: Path, data: bytes, reason: str) -> None:
    assert what_is_in(tmp_path, data + conversion(b"fine"), max_bytes=100) == [f"[{reason}]", "fine"]


def test_records_that_go_on_in_the_next_member_are_whole(tmp_path: Path) -> None:
    data = record(b"a" * 3_000) + record(b"b" * 3_000)
    blocks = [gzip.compress(data[start : start + 1_000]) for start in range(0, len(data), 1_000)]
    assert what_is_in(tmp_path, b"".join(blocks)) == ["a" * 20, "b" * 20]


def test_headers_with_bare_newlines_and_odd_case_are_read(tmp_path: Path) -> None:
    data = record(b"a").replace(b"\r\n", b"\n").replace(b"Content-Length: 61", b"CONTENT-LENGTH:57")
    assert what_is_in(tmp_path, data + record(b"c")) == ["a", "c"]


def test_hostile_plain_files_end_soon(tmp_path: Path) -> None:
    """What takes a search to the file's end for each of many records would never end."""
    for piece in (b"WARC/1.0\r\n\r\nx", b"WARC/1.0\r\nContent-Length: 9\r\n\r\n", b"WARC/1.0\r\n", b"\r\n"):
        what_is_in(tmp_path, record(b"a") + piece * (500_000 // len(piece)) + record(b"c"))


def test_other_records_are_told_apart_from_pages(tmp_path: Path) -> None:
    request = gzip.compress(record(b"x").replace(b"WARC-Type: response", b"WARC-Type: request"))
    assert what_is_in(tmp_path, request + A) == ["[request]", "a"]


def test_a_bomb_is_set_aside_without_unpacking_it(tmp_path: Path) -> None:
    bomb = zlib.compress(b"\0" * 60_000_000, 9)
    (tmp_path / "x").write_bytes(member(bomb, headers="Content-Encoding: deflate\r\n"))
    tracemalloc.start()
    items = read_file(tmp_path / "x", 1_000_000)
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()
    assert [brief(item) for item in items] == ["[too_large]"]


def test_no_damage_of_one_byte_stops_the_reader_or_takes_more_than_two_pages(tmp_path: Path) -> None:
    pages = [member(f"page {number} {'x' * number}".encode()) for number in range(8)]
    data = b"".join(pages)
    for place in range(0, len(data), 7):
        found = what_is_in(tmp_path, flip(data, place))
        good = [name for name in found if not name.startswith("[")]
        assert len(good) >= 6, (place, found)


def test_a_cut_anywhere_is_counted_once_and_invents_no_page(tmp_path: Path) -> None:
    pages = [member(f"page {number}".encode()) for number in range(5)]
    data = b"".join(pages)
    whole = [f"page {number}" for number in range(5)]
    for end in range(0, len(data) + 1):
        found = [name for name in what_is_in(tmp_path, data[:end]) if name != "[unknown]"]  # cut in its header
        good = [name for name in found if not name.startswith("[")]
        assert good == whole[: len(good)]
        is_between = data[:end] == b"".join(pages[: len(good)])
        assert all(name.startswith("[") for name in found[len(good) :])
        assert len(found) - len(good) == (0 if is_between and end else 1), (end, found)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("dirty/gb18030_meta.warc", {"page": 11}),
        ("dirty/giant_20MB.warc", {"page": 11}),
        ("dirty/no_target_uri.warc", {"page": 10, "[no_url]": 1}),
        ("dirty/nul_bytes.warc", {"page": 11}),
        ("dirty/pdf_mislabelled_html.warc", {"page": 10, "[not_html]": 1}),
        ("dirty/truncated_end.warc", {"page": 9, "[truncated_record]": 1}),
        ("dirty/truncated_mid_member.warc", {"page": 10, "[damaged_record]": 1}),
        ("clipped.warc", {"[truncated_record]": 1}),
        ("block-sized-records.warc", {"[unknown]": 3}),
        ("clueweb-quirk.warc", {"page": 29, "[warcinfo]": 1}),
        ("warcfile.warc", {"page": 16, "[metadata]": 16, "[request]": 17, "[warcinfo]": 1}),
        ("whirlwind.warc", {"page": 1, "[metadata]": 1, "[request]": 1, "[warcinfo]": 1}),
        ("whirlwind.warc.wet", {"page": 1, "[warcinfo]": 1}),
        ("whirlwind.warc.wat", {"[metadata]": 1, "[warcinfo]": 1}),
    ],
)
def test_real_files_are_read_to_their_end(real_pages: Path, name: str, expected: dict[str, int]) -> None:
    items = read_file(real_pages / f"{name}.gz", 32_000_000)
    assert Counter("page" if isinstance(item, Page) else brief(item) for item in items) == expected


def test_what_cc_net_ships_is_read_though_its_lengths_count_characters(real_pages: Path) -> None:
    items = read_file(real_pages / "cc_net_sample.warc.txt", 32_000_000)
    assert [brief(item)[:9] for item in items] == ["[warcinfo", "Famous Ma", "馬克·吐溫名言", "Цитаты зн"]


CONTAINERS: dict[str, Callable[[list[bytes]], bytes]] = {
    "plain": b"".join,
    "one gzip member": lambda records: gzip.compress(b"".join(records)),
    "gzip members": lambda records: b"".join(map(gzip.compress, records)),
    "one zstd frame": lambda records: zstandard.compress(b"".join(records)),
    "zstd frames": lambda records: b"".join(map(zstandard.compress, records)),
}


@pytest.mark.parametrize("length", [63, 100, 5_000, 1_000_000, 10**8, 10**15])
@pytest.mark.parametrize("container", CONTAINERS)
def test_a_length_that_is_too_large_costs_one_page_at_most(tmp_path: Path, container: str, length: int) -> None:
    pages = [record(f"page {number}".encode() + b" word" * 500) for number in range(400)]
    pages[2] = record(b"wrong", length=length)
    found = what_is_in(tmp_path, CONTAINERS[container](pages), max_bytes=50_000)
    assert found[:2] + found[-397:] == [f"page {number}{' word' * 3}"[:20] for number in range(400) if number != 2]
    assert len(found) == 400 and found[2] in ("wrong", "[truncated_record]", "[too_large]")


@pytest.mark.parametrize("kind", ["request", "metadata", "resource"])
def test_a_wrong_length_of_another_record_takes_no_page_with_it(tmp_path: Path, kind: str) -> None:
    other = record(b"x", length=10**7).replace(b"WARC-Type: response", f"WARC-Type: {kind}".encode())
    pages = [record(f"page {number}".encode() + b" word" * 5_000) for number in range(9)]
    found = what_is_in(tmp_path, other + b"".join(pages))
    assert [name for name in found if not name.startswith("[")] == [f"page {n} word word word"[:20] for n in range(9)]


@pytest.mark.parametrize("max_bytes", [50_000, 1 << 20])
def test_an_archive_in_the_body_of_a_page_is_no_archive_of_its_own(tmp_path: Path, max_bytes: int) -> None:
    inner = record(b"inner" + b" word" * 30_000) + record(b"second")
    found = what_is_in(tmp_path, record(b"outer " + inner) + record(b"c"), max_bytes)
    assert len(found) == 2 and found[0] in ("outer WARC/1.0\r\nWARC", "[too_large]") and found[1] == "c"


def test_a_page_that_writes_of_this_format_is_whole_whatever_its_length(tmp_path: Path) -> None:
    text = b"a record begins with WARC/1.0\r\n and more text follows"
    (tmp_path / "x").write_bytes(record(text, length=70) + record(b"c"))
    first, _ = read_file(tmp_path / "x", 1_000)
    assert isinstance(first, Page) and first.body == text


def skippable(content: bytes, kind: int = 0) -> bytes:
    return bytes([0x50 + kind]) + b"\x2a\x4d\x18" + len(content).to_bytes(4, "little") + content


def test_zstd_frames_are_read_with_their_dictionary_and_damage_costs_one(tmp_path: Path) -> None:
    words = zstandard.ZstdCompressionDict(b"WARC/1.0 page Content-Type text/html response " * 9)
    make = zstandard.ZstdCompressor(dict_data=words, write_checksum=True).compress
    frames = [make(record(f"page {number}".encode())) for number in range(4)]
    for dictionary in (words.as_bytes(), zstandard.compress(words.as_bytes())):
        data = skippable(dictionary, 13) + frames[0] + skippable(b"x" * 99) + b"".join(frames[1:])
        assert what_is_in(tmp_path, data) == [f"page {number}" for number in range(4)]
    damaged = flip(frames[1], len(frames[1]) // 2)
    data = skippable(words.as_bytes(), 13) + frames[0] + damaged + frames[2] + frames[3][:-9]
    assert what_is_in(tmp_path, data) == ["page 0", "[damaged_record]", "page 2", "[truncated_record]"]


def test_a_zstd_bomb_is_set_aside_in_little_memory(tmp_path: Path) -> None:
    bomb = zstandard.compress(record(b"\0" * 60_000_000))
    (tmp_path / "x").write_bytes(bomb + zstandard.compress(record(b"c")))
    tracemalloc.start()
    items = read_file(tmp_path / "x", 1_000_000)
    assert tracemalloc.get_traced_memory()[1] < 60_000_000
    tracemalloc.stop()
    assert [brief(item) for item in items] == ["[too_large]", "c"]


def served(content_type: str, identified: str = "") -> bytes:
    old = b"Content-Type: text/html; charset=utf-8\r\n"
    given = content_type.encode() + b"\r\n" if content_type else b""
    whole = record(b"page")
    length = len(whole.partition(b"\r\n\r\n")[2]) - 4 - len(old) + len(given)
    page = record(b"page", length=length).replace(old, given)
    return page.replace(b"WARC-Date", f"WARC-Identified-Payload-Type: {identified}\r\nWARC-Date".encode(), 1)


@pytest.mark.parametrize(
    ("content_type", "identified", "charset"),
    [
        ("Content-Type: text/html;\r\n charset=koi8-u", "", "koi8-u"),
        ("Content-Type:\r\n\ttext/html; charset=koi8-u", "", "koi8-u"),
        ("Content-Type: text/plain\r\nContent-Type: text/html; charset=big5", "", "big5"),
        ("Content-Type: text/html; charset=big5\r\nX: y\r\nContent-Type: text/html", "", "big5"),
        ("", "", ""),
        ("", "text/html", ""),
        ("Content-Type: application/octet-stream", "application/xhtml+xml", ""),
        ("Content-Type: html", "", ""),
    ],
)
def test_headers_of_any_form_are_read_as_browsers_read_them(
    tmp_path: Path, content_type: str, identified: str, charset: str
) -> None:
    (tmp_path / "x").write_bytes(served(content_type, identified))
    (page,) = read_file(tmp_path / "x", 1_000)
    assert isinstance(page, Page) and (page.body, page.charset) == (b"page", charset)


def test_what_the_crawler_found_counts_where_the_server_said_nothing(tmp_path: Path) -> None:
    assert what_is_in(tmp_path, served("", "application/pdf")) == ["[not_html]"]
    assert what_is_in(tmp_path, served("Content-Type: text/plain", "text/html")) == ["[not_html]"]
    assert what_is_in(tmp_path, served("Content-Type: text/html", "text/plain")) == ["page"]


def test_a_body_that_breaks_off_is_a_counted_loss(tmp_path: Path) -> None:
    body = gzip.compress(random.Random(1).randbytes(900), mtime=0)[:-50]
    assert what_is_in(tmp_path, member(body, headers="Content-Encoding: gzip\r\n") + A) == ["[damaged_body]", "a"]
