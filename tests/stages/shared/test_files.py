"""Files are there in full or not there, whoever is killed when."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stages.shared import files
from stages.shared.errors import JsonError
from stages.shared.files import (
    flush_tree,
    read_json,
    read_tail,
    replace_dir,
    sampled_digest,
    sha256_file,
    write_atomic,
    write_json,
)
from tests.stages.model.saved import files_up_to

WRITER = """
import sys
from pathlib import Path
from stages.shared.files import write_atomic
for n in range(10**9):
    write_atomic(Path(sys.argv[1]), str(n % 10) * 100_000)
"""


def test_a_reader_never_sees_half_a_file_even_if_the_writer_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "value"
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)])
    try:
        while not path.exists():
            time.sleep(0.01)
        for _ in range(200):
            text = path.read_text()
            assert text == text[0] * 100_000
    finally:
        writer.send_signal(signal.SIGKILL)
        writer.wait()
    assert len(path.read_text()) == 100_000


def test_json_is_the_same_bytes_for_the_same_value(tmp_path: Path) -> None:
    write_json(tmp_path / "a", {"b": 1, "a": ["ü", None]})
    write_json(tmp_path / "b", {"a": ["ü", None], "b": 1})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert read_json(tmp_path / "a") == {"a": ["ü", None], "b": 1}


def test_folders_above_are_made_and_nothing_else_is_left(tmp_path: Path) -> None:
    write_atomic(tmp_path / "deep" / "er" / "file", b"x")
    assert [path.name for path in (tmp_path / "deep" / "er").iterdir()] == ["file"]


def test_a_folder_takes_the_place_of_what_a_killed_attempt_left(tmp_path: Path) -> None:
    (tmp_path / "place").mkdir()
    (tmp_path / "place" / "stale").write_text("old")
    (tmp_path / "aside").mkdir()
    (tmp_path / "aside" / "fresh").write_text("new")
    replace_dir(tmp_path / "aside", tmp_path / "place")
    assert [path.name for path in (tmp_path / "place").iterdir()] == ["fresh"]
    assert not (tmp_path / "aside").exists()


def test_every_file_of_a_tree_is_flushed_and_closed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sub").mkdir()
    for name in ("a", "sub/b"):
        (tmp_path / name).write_text("x")
    flushed: list[int] = []
    monkeypatch.setattr(os, "fsync", flushed.append)
    flush_tree(tmp_path)
    assert len(flushed) == 2
    for descriptor in flushed:
        with pytest.raises(OSError):
            os.fstat(descriptor)


def test_the_digest_is_sha256(tmp_path: Path) -> None:
    (tmp_path / "abc").write_bytes(b"abc")
    assert sha256_file(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_link_that_waits_where_a_file_is_written_aside_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "victim").write_text("mine")
    monkeypatch.setattr("os.urandom", lambda count: b"\0" * count)
    (tmp_path / ".value.00000000.tmp").symlink_to(tmp_path / "victim")
    with pytest.raises(FileExistsError):
        write_atomic(tmp_path / "value", "evil")
    assert (tmp_path / "victim").read_text() == "mine"


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff", b"\0", b"[" * 100_000, b"{} {}"])
def test_what_is_no_json_is_an_error_that_names_the_file(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "value.json"
    path.write_bytes(raw)
    with pytest.raises(JsonError, match=r"value\.json: (not JSON|the file is empty)"):
        read_json(path)
    with pytest.raises(ValueError):
        read_json(path)


def test_a_pipe_or_device_in_the_place_of_json_is_not_read_for_ever(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "device.json").symlink_to("/dev/zero")
    for name in ("pipe.json", "device.json"):
        with pytest.raises(JsonError, match="not a file"):
            read_json(tmp_path / name)


def test_a_full_disk_names_the_file_and_leaves_the_old_one(tmp_path: Path) -> None:
    write_atomic(tmp_path / "a", "old")
    with files_up_to(1000), pytest.raises(OSError, match="a'") as caught:
        write_atomic(tmp_path / "a", bytes(5000))
    assert caught.value.filename == str(tmp_path / "a")
    assert (tmp_path / "a").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_of_a_large_file_samples_are_digested(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "WHOLE", 999)
    monkeypatch.setattr(files, "SAMPLE", 10)
    (tmp_path / "a").write_bytes(bytes(1000))
    before = sampled_digest(tmp_path / "a")
    (tmp_path / "a").write_bytes(bytes(995) + b"tail.")
    assert sampled_digest(tmp_path / "a") != before


def test_of_a_text_the_end_is_read(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"x" * 100 + b"\xff the end")
    assert read_tail(path, 9) == "\ufffd the end"
    assert read_tail(path, 1000).startswith("xxx")
    assert read_tail(tmp_path / "none", 9) == read_tail(tmp_path, 9) == ""
    os.mkfifo(tmp_path / "pipe")
    assert read_tail(tmp_path / "pipe", 9) == read_tail(Path("/dev/zero"), 9) == "", "not read for ever"
