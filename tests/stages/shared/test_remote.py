"""Remote files, from a real HTTP server that fails as networks do."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from stages.shared.errors import EXIT_FAILED, EXIT_NEVER, DataError
from stages.shared.remote import Patience, RemoteError, RemoteFile, fetch, is_remote, probe, shown
from tests.servers import FileServer, serving

DATA = random.Random(0).randbytes(300_000)
QUICK = Patience(attempts=4, first_wait_s=0.01, longest_wait_s=0.02, timeout_s=10, start_delay_s=0.01)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    with serving(FileServer({"/x": DATA, "/empty": b"", "/bucket/a%20b": DATA})) as running:
        monkeypatch.setenv("AWS_ENDPOINT_URL", running.url)
        yield running


def read(url: str, block: int = 50_000, patience: Patience = QUICK) -> bytes:
    with RemoteFile(url, patience) as file:
        return b"".join(iter(lambda: file.read(block), b""))


def test_a_file_is_read_in_one_request(server: FileServer) -> None:
    assert read(f"{server.url}/x") == DATA
    assert read(f"{server.url}/empty") == b""
    assert server.ranges() == ["", ""]


@pytest.mark.parametrize(
    "faults",
    [
        [503, 500, 429],
        ["drop", "drop", "drop"],
        [("cut", 1_000), ("cut", 0), ("cut", 100_000), 503, "drop"],
        [("cut", 70_000), "whole"],
        [("cut", 20_000)] * 10,
    ],
    ids=["busy", "hung up", "cut", "no ranges", "cut ten times"],
)
def test_reading_goes_on_at_the_byte_reached(server: FileServer, faults: list[Any]) -> None:
    server.faults[:] = faults
    assert read(f"{server.url}/x") == DATA
    assert not server.faults


def test_silence_counts_as_a_broken_connection(server: FileServer) -> None:
    server.faults[:] = [("mute", 20_000)]
    # Many attempts: on a busy machine a server that is well may be silent for as long.
    assert read(f"{server.url}/x", patience=replace(QUICK, timeout_s=0.5, attempts=50)) == DATA
    assert not server.faults


def test_what_was_read_is_not_asked_for_again(server: FileServer) -> None:
    server.faults[:] = [("cut", 100_000), ("cut", 50_000)]
    read(f"{server.url}/x")
    assert server.ranges() == ["", "bytes=100000-", "bytes=150000-"]


def test_a_file_that_changed_meanwhile_is_refused(server: FileServer) -> None:
    server.faults[:] = [("cut", 100_000)]
    with RemoteFile(f"{server.url}/x", QUICK) as file:
        file.read(10)
        server.etags["/x"] = '"2"'
        with pytest.raises(DataError, match="/x: another file since byte 100000 was read"):
            while file.read():
                pass


def test_patience_ends_with_the_address_what_happened_and_what_to_do(server: FileServer) -> None:
    server.faults[:] = [503] * 9
    with pytest.raises(
        RemoteError, match=r"/x: no answer after 4 attempts; .* HTTP 503 .*SlowDown.*throttle"
    ) as caught:
        read(f"{server.url}/x")
    assert len(server.requests) == 4 and caught.value.exit_code == EXIT_FAILED


def test_a_host_that_does_not_exist_is_told_in_its_own_words() -> None:
    with pytest.raises(RemoteError, match=r"http://127\.0\.0\.1:9/x: no answer after 4 attempts.*refused"):
        read("http://127.0.0.1:9/x")


@pytest.mark.parametrize(("status", "url"), [(404, "/nothing"), (403, "/x"), (401, "/x"), (410, "/x")])
def test_what_is_refused_is_not_asked_for_twice(server: FileServer, status: int, url: str) -> None:
    server.faults[:] = [status]
    with pytest.raises(DataError, match=rf"{url}: HTTP {status} .*Check the address") as caught:
        read(server.url + url)
    assert len(server.requests) == 1 and caught.value.exit_code == EXIT_NEVER


def test_a_server_may_ask_for_time(server: FileServer) -> None:
    server.faults[:], server.headers["Retry-After"] = [503], "3600"
    assert read(f"{server.url}/x") == DATA, "but for no more of it than the longest wait"


def test_s3_without_credentials_is_asked_unsigned(server: FileServer) -> None:
    assert read("s3://bucket/a b") == DATA
    assert "Authorization" not in server.requests[0][1]
    server.faults[:] = [403]
    with pytest.raises(DataError, match=r"s3://bucket/a b: HTTP 403 .*credentials"):
        read("s3://bucket/a b")


def test_s3_with_credentials_is_signed_anew_for_each_range(server: FileServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI")
    server.faults[:] = [("cut", 1_000)]
    assert read("s3://bucket/a b") == DATA
    first, second = (headers["Authorization"] for _, headers in server.requests)
    assert "Credential=AKIDEXAMPLE/" in first and "SignedHeaders=" in first and ";range;" in second
    assert "wJalrXUtnFEMI" not in str(server.requests)


def test_a_signed_request_is_never_sent_to_another_address(server: FileServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI")
    server.faults[:], server.headers["Location"] = [301], f"{server.url}/x"
    with pytest.raises(DataError, match=r"HTTP 301 .*AWS_REGION"):
        read("s3://bucket/a b")
    assert len(server.requests) == 1


def test_other_requests_follow(server: FileServer) -> None:
    server.faults[:], server.headers["Location"] = [302, ("cut", 5_000), 302], f"{server.url}/x"
    assert read(f"{server.url}/y") == DATA


def test_an_address_in_a_log_holds_no_secret() -> None:
    assert shown("https://me:secret@host/a?X-Amz-Signature=12") == "https://host/a?..."
    assert shown("s3://bucket/a b") == "s3://bucket/a b"


def test_addresses_are_told_from_paths() -> None:
    assert [is_remote(where) for where in ("https://a/b", "s3://a/b", "/a/b", "a://b", "C:/x")] == [True, True] + [
        False
    ] * 3


def test_size_and_etag_come_with_one_request(server: FileServer) -> None:
    assert probe(f"{server.url}/x", QUICK) == (len(DATA), '"1"')
    assert len(server.requests) == 1


def test_small_files_come_whole_and_large_ones_not_at_all(server: FileServer) -> None:
    assert fetch(f"{server.url}/x", len(DATA), QUICK) == DATA
    with pytest.raises(DataError, match="more than 1000 bytes"):
        fetch(f"{server.url}/x", 1_000, QUICK)
