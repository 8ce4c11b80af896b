"""An HTTP server of files for tests, which fails as real ones do, and tells what it was asked."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class FileServer:
    """Serves `files` by path. `faults` are used up one a request, then requests are answered as they should be.

    A fault is a status (int), "drop" (hang up before the answer), ("cut", n) (hang up after n bytes of body),
    ("mute", n) (silence after n bytes) or "whole" (ignore the range that was asked for).
    """

    files: dict[str, bytes]
    faults: list[Any] = field(default_factory=list)
    requests: list[tuple[str, Mapping[str, str]]] = field(default_factory=list)
    etags: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    """Added to every error."""
    url: str = ""
    released: threading.Event = field(default_factory=threading.Event)

    def ranges(self) -> list[str]:
        """Return the ranges asked for, in order; "" for the whole file."""
        return [headers.get("Range", "") for _, headers in self.requests]


@contextmanager
def serving(server: FileServer) -> Iterator[FileServer]:
    """Run the server within."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            answer(self, server)

        def log_message(self, *arguments: object) -> None:
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    server.url = f"http://127.0.0.1:{httpd.server_port}"
    try:
        yield server
    finally:
        server.released.set()
        httpd.shutdown()
        httpd.server_close()


def answer(handler: BaseHTTPRequestHandler, server: FileServer) -> None:
    server.requests.append((handler.path, dict(handler.headers)))
    fault = server.faults.pop(0) if server.faults else None
    handler.close_connection = True
    if fault == "drop":
        return
    if isinstance(fault, int) or handler.path not in server.files:
        body = f"<Error><Code>{'SlowDown' if fault == 503 else 'Other'}</Code></Error>".encode()
        handler.send_response(fault if isinstance(fault, int) else 404)
        for name, value in {**server.headers, "Content-Length": str(len(body))}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)
        return
    data, start = server.files[handler.path], 0
    asked = handler.headers.get("Range", "")
    if asked and fault != "whole":
        start = int(asked.removeprefix("bytes=").rstrip("-"))
        handler.send_response(206)
        handler.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
    else:
        handler.send_response(200)
    handler.send_header("Content-Length", str(len(data) - start))
    handler.send_header("ETag", server.etags.get(handler.path, '"1"'))
    handler.end_headers()
    end = start + fault[1] if isinstance(fault, tuple) else len(data)
    handler.wfile.write(data[start:end])
    handler.wfile.flush()
    if isinstance(fault, tuple) and fault[0] == "mute":
        server.released.wait(10)
