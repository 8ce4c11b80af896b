"""Hostile and broken requests over HTTP: each has the right status, and the server goes on."""

from __future__ import annotations

import json
import socket
import threading
import time

import pytest

from stages.serve.http.app import PAGE
from stages.serve.http.server import Server
from stages.shared import log
from tests.stages.serve.conftest import Models
from tests.stages.serve.world import NAME, QUESTION, TOKEN, ask, call, serving

BODY = {"model": NAME, "messages": QUESTION, "temperature": 0, "max_tokens": 4}


def test_a_form_of_another_site_and_a_large_body_are_refused(server: Server) -> None:
    form = {"Content-Type": "text/plain"}
    assert call(server, "/v1/chat/completions", json.dumps(BODY).encode(), **form)[0] == 415
    assert call(server, "/v1/chat/completions", method="OPTIONS")[0] == 405
    assert call(server, "/v1/chat/completions", b"", Content_Length=str(10**12))[0] == 413
    assert call(server, "/v1/chat/completions", b" " * 33_000_000)[0] == 413


def raw(server: Server, head: str) -> socket.socket:
    """Return a connection on which the begin of a request was sent."""
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=300)
    connection.sendall(head.encode())
    return connection


HEAD = f"POST /{TOKEN}/v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


def test_slow_and_broken_clients_are_left_and_cost_nobody_anything(models: Models) -> None:
    with serving(*models, limits={"idle_seconds": 3, "body_mb": 1}) as served:
        slow = [raw(served, text) for text in ("", "GET /hea", HEAD, HEAD + "Content-Length: 90\r\n\r\n{")]
        chunked = raw(served, HEAD + "Transfer-Encoding: chunked\r\n\r\n")
        chunked.sendall(b"200000\r\n" + b" " * 0x200000 + b"\r\n0\r\n\r\n")
        assert b" 413 " in chunked.recv(100)
        assert call(served, "/health")[0] == 200
        found = [connection.recv(100) for connection in slow]
        assert [each[:12] for each in found] == [b"", b"", b"", b"HTTP/1.1 408"]
        with raw(served, "\x00\x01\r\n\r\n") as broken:
            assert broken.recv(12) in (b"HTTP/1.1 400", b"")
        for connection in (*slow, chunked):
            connection.close()


def test_a_client_that_leaves_ends_its_row_and_health_answers_while_others_decode(server: Server) -> None:
    body = json.dumps({**BODY, "max_tokens": 600, "stream": True, "seed": 1, "temperature": 1}).encode()
    leaving = raw(server, HEAD + f"Content-Length: {len(body)}\r\n\r\n")
    leaving.sendall(body)
    assert leaving.recv(12) == b"HTTP/1.1 200"
    leaving.close()
    threads = [threading.Thread(target=ask, args=(server,), kwargs={"max_tokens": 200}) for _ in range(4)]
    for thread in threads:
        thread.start()
    assert call(server, "/health")[1] == {"status": "ok"}
    for thread in threads:
        thread.join()
    assert ask(server)[0] == 200


def test_more_requests_than_may_run_are_told_to_come_again(models: Models) -> None:
    with serving(*models, limits={"requests": 1}) as served:
        body = json.dumps(BODY).encode()
        waiting = raw(served, HEAD + f"Content-Length: {len(body)}\r\n\r\n")
        deadline = time.monotonic() + 300
        while (found := call(served, "/v1/chat/completions", BODY))[0] == 200 and time.monotonic() < deadline:
            time.sleep(0.02)
        assert (found[0], found[1]["error"]["code"], found[2]["Retry-After"]) == (429, "rate_limit_exceeded", "1")
        waiting.sendall(body)
        assert waiting.recv(12) == b"HTTP/1.1 200"
        waiting.close()


def test_an_answer_ends_at_its_time(models: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(*models, limits={"seconds": 300}) as served:
        monkeypatch.setattr("stages.serve.rows.monotonic", iter(range(0, 10**9, 100)).__next__)
        status, answer = ask(served, max_tokens=600)
        assert (status, answer["choices"][0]["finish_reason"]) == (200, "length")
        assert answer["usage"]["completion_tokens"] < 600


def test_no_content_reaches_the_log(
    server: Server, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise KeyError("a secret of a user")

    monkeypatch.setattr("stages.serve.talks.read_messages", fail)
    logged: list[str] = []
    monkeypatch.setattr(log, "error", lambda message, *_: logged.append(message))
    status, answer = ask(server)
    assert (status, answer["error"]["message"]) == (500, "the server failed")
    assert "secret" not in "".join(logged) + capfd.readouterr().err
    assert "KeyError at" in logged[0]


def test_the_page_loads_its_own_files_alone(server: Server) -> None:
    for path in PAGE.iterdir():
        status, text, _ = call(server, f"/{TOKEN}/{path.name}")
        assert status == 200
        assert "https://" not in text
        assert "innerHTML" not in text
