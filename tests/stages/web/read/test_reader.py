import gzip
from pathlib import Path

from stages.shared.contract import InputFile
from stages.text.blocks.gate import step_count
from stages.text.blocks.rejects import Rejects
from stages.web.read.reader import WarcPages
from tests.stages.web.warcs import member


def files(folder: Path, *contents: bytes) -> list[InputFile]:
    paths = [folder / f"{number}.warc.gz" for number in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    return [InputFile(path, f"dump{path.name[0]}") for path in paths]


def test_pages_of_all_files_are_yielded_with_their_dump(tmp_path: Path) -> None:
    reader = WarcPages(files(tmp_path, member(b"<p>a</p>") + member(b"<p>b</p>"), member(b"<p>c</p>")))
    pages = list(reader.run())
    assert [(page.text, page.metadata["dump"]) for page in pages] == [
        ("<p>a</p>", "dump0"),
        ("<p>b</p>", "dump0"),
        ("<p>c</p>", "dump1"),
    ]
    assert step_count(reader).pages_out == 3


def test_every_loss_and_every_odd_character_set_is_counted(tmp_path: Path) -> None:
    noise = bytes(range(256)) * 40
    data = b"".join(map(member, [b"", b"%PDF-1", "für".encode("utf-16"), noise, b"fine"]))
    rejects = Rejects(10)
    reader = WarcPages(files(tmp_path, data, b"junk"), rejects=rejects)
    assert [page.text for page in reader.run()] == ["\ufefffür".lstrip("\ufeff"), "fine"]
    count = step_count(reader)
    assert count.reasons == {"empty_body": 1, "not_html": 1, "not_text": 1, "unreadable_file": 1}
    assert (count.pages_in, count.pages_out) == (6, 2)
    assert count.notes["charset_bom"] == 1
    assert {reason for _, reason in rejects._samples} == set(count.reasons)


def test_plain_text_is_marked_and_markup_that_no_parser_can_bear_is_a_loss(tmp_path: Path) -> None:
    deep = "<div>" * 6_000
    wet = gzip.compress(member_of_plain_text(deep.encode()))
    reader = WarcPages(files(tmp_path, wet, member(deep.encode()) + member(deep.encode("utf-16"))))
    assert [page.metadata["is_plain"] for page in reader.run()] == [True]
    assert step_count(reader).reasons == {"too_deep": 2}


def member_of_plain_text(text: bytes) -> bytes:
    """A WET record."""
    head = "WARC/1.0\r\nWARC-Type: conversion\r\nWARC-Target-URI: http://a.example/\r\nWARC-Record-ID: <urn:uuid:1>\r\n"
    return f"{head}Content-Type: text/plain\r\nContent-Length: {len(text)}\r\n\r\n".encode() + text + b"\r\n\r\n"


def test_bytes_of_a_page_are_known_without_encoding_it_again(tmp_path: Path) -> None:
    bodies = ["grün".encode(), "grün".encode("latin-1"), b"a\0b", "手".encode("utf-16"), b"\xef\xbb\xbfx"]
    for page in WarcPages(files(tmp_path, b"".join(map(member, bodies)))).run():
        assert page.metadata["bytes"] == len(page.text.encode())


def test_a_page_without_a_record_id_gets_one_from_its_content(tmp_path: Path) -> None:
    bare = gzip.compress(gzip.decompress(member(b"x")).replace(b"WARC-Record-ID", b"X-Other"))
    first, second = WarcPages(files(tmp_path, bare, bare)).run()
    assert first.id == second.id and len(first.id) == 32
