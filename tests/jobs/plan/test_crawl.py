"""Crawl files beyond paths and globs: URLs, lists of paths, dumps, and parts of them."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.plan.crawl import Named, crawl_files, dump_of, is_crawl_name
from jobs.plan.identity import file_identity
from jobs.plan.inputs import external_files
from stages.shared.errors import ConfigError, DataError
from stages.shared.remote import RemoteError
from tests.servers import FileServer, serving

DUMP = "CC-MAIN-2024-10"
LINES = [f"crawl-data/{DUMP}/segments/1.{number // 4}/warc/{number:05d}.warc.gz" for number in range(12)]
LIST = gzip.compress("\n".join(LINES).encode(), mtime=0)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    files = {f"/crawl-data/{DUMP}/warc.paths.gz": LIST, "/own/some.paths": b"a.warc.gz\n# not this\n\nb/c.warc.gz\n"}
    with serving(FileServer({**files, "/own/a.warc.gz": b"12345"})) as running:
        yield running


def found(pattern: str, archive: str = "https://archive", source: str | None = None) -> list[Named]:
    return crawl_files(pattern, source, "web.inputs", archive)


def test_a_dump_is_the_list_of_its_files_in_the_archive(server: FileServer) -> None:
    files = found(DUMP, server.url)
    assert [each.file.url for each in files] == [f"{server.url}/{line}" for line in LINES]
    assert {each.file.source for each in files} == {DUMP}
    assert files[0].file.path == Path("00000.warc.gz")
    assert len(server.requests) == 1, "the list, and none of its files"


@pytest.mark.parametrize(
    ("part", "expected"),
    [("[:2]", [0, 1]), ("[-1:]", [11]), ("[1:9:4]", [1, 5]), ("[::5]", [0, 5, 10]), ("[3:4]", [3])],
)
def test_a_part_of_a_list_is_cut_as_python_cuts(server: FileServer, part: str, expected: list[int]) -> None:
    for name in (DUMP, f"{server.url}/crawl-data/{DUMP}/warc.paths.gz"):
        assert [each.identity for each in found(name + part, server.url)] == [[DUMP, LINES[i]] for i in expected]


def test_wet_files_of_a_dump_have_a_list_of_their_own(server: FileServer) -> None:
    with pytest.raises(DataError, match=rf"{DUMP}/wet\.paths\.gz: HTTP 404"):
        found(f"{DUMP}:wet", server.url)


def test_a_file_of_the_archive_is_the_same_wherever_it_is_read(server: FileServer, tmp_path: Path) -> None:
    mirror = tmp_path / "mirror of the archive"
    for line in LINES:
        (mirror / line).parent.mkdir(parents=True, exist_ok=True)
        (mirror / line).touch()
    (mirror / f"crawl-data/{DUMP}/warc.paths.gz").write_bytes(LIST)
    (tmp_path / "elsewhere.paths").write_text("\n".join(LINES))
    ways = [
        found(DUMP, server.url),
        found(DUMP, str(mirror)),
        found(str(mirror / f"crawl-data/{DUMP}/warc.paths.gz"), "https://not.asked"),
        found(str(tmp_path / "elsewhere.paths"), str(mirror)),
        found(str(tmp_path / "elsewhere.paths"), "s3://commoncrawl/"),
    ]
    assert [[each.identity for each in way] for way in ways] == [[[DUMP, line] for line in LINES]] * len(ways)
    assert [way[0].file.where for way in ways] == [
        f"{server.url}/{LINES[0]}",
        *[str(mirror / LINES[0])] * 3,
        f"s3://commoncrawl/{LINES[0]}",
    ]


def test_files_that_a_mirror_lacks_are_named_before_anything_is_queued(tmp_path: Path) -> None:
    (tmp_path / "some.paths").write_text("\n".join(LINES))
    (tmp_path / LINES[0]).parent.mkdir(parents=True)
    (tmp_path / LINES[0]).touch()
    assert len(found(f"{tmp_path}/some.paths[:1]", str(tmp_path))) == 1
    with pytest.raises(DataError, match=r"names 11 files that are not there, such as .*00001\.warc\.gz\. .*\[:10\]"):
        found(f"{tmp_path}/some.paths", str(tmp_path))


def test_other_lines_are_relative_to_their_list(server: FileServer, tmp_path: Path) -> None:
    remote = found(f"{server.url}/own/some.paths")
    assert [each.file.where for each in remote] == [f"{server.url}/own/{name}" for name in ("a.warc.gz", "b/c.warc.gz")]
    assert remote[0].identity == ["some", f"{server.url}/own/a.warc.gz"]
    (tmp_path / "x.warc.gz").write_text("x")
    (tmp_path / "mine.paths").write_text(f"x.warc.gz\n{tmp_path}/x.warc.gz\ns3://bucket/y.warc.gz\n")
    local = external_files(str(tmp_path / "mine.paths"), "web.inputs", "https://archive")
    assert [each.file.where for each in local] == [*[str(tmp_path / "x.warc.gz")] * 2, "s3://bucket/y.warc.gz"]
    assert {each.file.source for each in local} == {"mine"}
    assert local[0].identity == file_identity(local[0].file), "what is no archive is known by its content"


def test_a_url_is_requested_once(server: FileServer) -> None:
    (file,) = found(f"{server.url}/own/a.warc.gz", source="mine")
    assert file.identity == ["mine", f"{server.url}/own/a.warc.gz", "5", '"1"']
    assert (file.file.url, file.file.mb) == (f"{server.url}/own/a.warc.gz", 0.0)
    archived = found(f"https://data.commoncrawl.org/{LINES[3]}")
    assert archived[0].identity == [DUMP, LINES[3]], "nobody is asked about the archive"


@pytest.mark.parametrize(
    ("lines", "wanted"),
    [
        (b"../../etc/passwd", "leads out of the list's folder"),
        (b"\xff\xfe\x00", "not a list of paths"),
        (b"\x1f\x8b\x08 not gzip", "not a list of paths"),
        (LIST[:-20], "not a list of paths"),
    ],
)
def test_a_list_that_is_none_is_named(tmp_path: Path, lines: bytes, wanted: str) -> None:
    (tmp_path / "a.paths").write_bytes(lines)
    with pytest.raises(DataError, match=rf"a\.paths: .*{wanted}"):
        found(str(tmp_path / "a.paths"))


def test_a_remote_list_names_no_local_file(server: FileServer) -> None:
    server.files["/own/some.paths"] = b"/etc/passwd"
    with pytest.raises(DataError, match="'/etc/passwd' leads out of the list's folder"):
        found(f"{server.url}/own/some.paths")


def test_lists_without_files_and_globs_of_addresses_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.paths").write_text("# nothing\n")
    with pytest.raises(ConfigError, match=r"web\.inputs .*a\.paths'.*that names files"):
        found(str(tmp_path / "a.paths"))
    with pytest.raises(ConfigError, match="servers have no globs"):
        found("https://host/*.warc.gz")
    with pytest.raises(DataError, match=r"missing\.paths: not a list of paths .*No such file"):
        found(str(tmp_path / "missing.paths"))


NOWHERE = "http://127.0.0.1:9"
"""Port 9, discard: a connection is refused at once."""


def test_a_dump_whose_list_cannot_be_fetched_is_guessed_where_that_is_allowed() -> None:
    said: list[str] = []
    files = crawl_files(f"{DUMP}[10:30]", None, "web.inputs", NOWHERE, said.append)
    assert len(files) == 20
    assert {(each.file.source, each.file.mb) for each in files} == {(DUMP, 1000.0)}
    assert len({each.file.where for each in files}) == 20
    assert said == [
        f"planned from 90,000 files of about 1,000 MB: the path list of {DUMP} could not be fetched "
        "([Errno 111] Connection refused)"
    ]
    assert len(crawl_files(f"{DUMP}:wet", None, "web.inputs", NOWHERE, said.append)) == 90_000
    assert "of about 160 MB: the path list of CC-MAIN-2024-10:wet" in said[1]
    with pytest.raises(ConfigError, match="that names files"):
        crawl_files(f"{DUMP}[90000:]", None, "web.inputs", NOWHERE, said.append)


def test_where_nothing_may_be_guessed_a_list_that_cannot_be_fetched_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    with pytest.raises(RemoteError, match=r"warc\.paths\.gz: no answer after 4 attempts"):
        found(DUMP, NOWHERE)


def test_only_a_dump_that_may_exist_is_guessed(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    said: list[str] = []
    for pattern, archive in [
        ("CC-MAIN-1999-01", server.url),  # 404
        (DUMP, str(tmp_path)),  # a mirror that lacks the list
        (f"{NOWHERE}/a/warc.paths.gz", NOWHERE),  # a list of unknown length
    ]:
        with pytest.raises(DataError, match=r"warc\.paths\.gz: "):
            crawl_files(pattern, None, "web.inputs", archive, said.append)
    assert crawl_files(DUMP, None, "web.inputs", server.url, said.append) == found(DUMP, server.url)
    assert said == []


def test_only_crawl_files_may_be_remote(tmp_path: Path) -> None:
    for value in ("https://host/model.bin", DUMP, "a.paths"):
        with pytest.raises(ConfigError, match=r"web\.language_model .*a path or glob"):
            external_files(value, "web.language_model")


def test_names_of_dumps_differ_from_paths() -> None:
    for name in (DUMP, f"{DUMP}:wet", f"{DUMP}[:10]", "a.paths", "a.paths.gz[2:]", "s3://b/k", "https://h/x"):
        assert is_crawl_name(name), name
    for name in ("a.gz", "a[:1]", f"{DUMP}/x.warc.gz", f"./{DUMP}", f"{DUMP}:zip", "data[0-9].gz", "paths"):
        assert not is_crawl_name(name), name


def test_a_dump_is_found_in_a_path() -> None:
    assert dump_of(LINES[0]) == dump_of(f"/data/{DUMP}/x.gz") == DUMP
    assert dump_of("s3://commoncrawl/crawl-data/CC-NEWS/2024/01/x.warc.gz") == "CC-NEWS"
    assert dump_of("CC-MAIN-20240220211055-20240221001055-00000.warc.gz") == dump_of("/a/b.gz") == ""


def test_a_mapping_names_the_dumps_itself(server: FileServer) -> None:
    files = external_files({"ours": f"{DUMP}[:1]"}, "web.inputs", server.url)
    assert [(each.file.source, each.identity) for each in files] == [("ours", ["ours", LINES[0]])]


def test_a_list_that_is_a_pipe_or_a_device_is_not_read_for_ever(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.paths")
    (tmp_path / "b.paths").symlink_to("/dev/zero")
    for name in ("a.paths", "b.paths"):
        with pytest.raises(DataError, match="it is no file"):
            crawl_files(str(tmp_path / name), None, "web.inputs", "https://there/")
