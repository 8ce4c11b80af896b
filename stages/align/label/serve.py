"""The page on which people rank responses, served on 127.0.0.1 under an address with a token.

The standard library's server is enough: a few labellers, four routes, and no package that a login node lacks.
Texts reach the page as JSON and become text nodes there. The policy of the page allows its own script and nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from stages.align.label.desk import Desk
from stages.formats.kinds import KINDS
from stages.formats.preferences import read_candidates
from stages.shared.errors import ConfigError, StagecoachError
from stages.shared.page import HEADERS, LOCAL, is_known_host, is_token, new_token, page_address, tunnel
from stages.shared.tool import ToolCall, ToolTable

PAGE = Path(__file__).resolve().parents[3] / "templates" / "label"
FILES = {
    "": ("page.html", "text/html"),
    "label.css": ("label.css", "text/css"),
    "label.js": ("label.js", "text/javascript"),
}
MAX_BODY = 64 << 10


def label(call: ToolCall) -> Iterator[ToolTable]:
    """Yield the address of the page, then serve it until Ctrl-C.

    Raises ConfigError if the candidates are not collected yet.
    """
    if not call.done["collect"]:
        raise ConfigError("candidates", call.config.candidates, f"collected first: `{call.command}`")
    (collected,) = call.done["collect"]
    candidates = list(read_candidates(collected / KINDS.candidates.file))
    folder = call.run_dir / "labels" / call.section
    desk = Desk(candidates, folder, call.changed.reasons, call.changed.seed, collected)
    with Server(desk, call.changed.port) as server:
        notes = (
            f"Open {server.address}",
            f"The page is for this machine alone; from yours: {tunnel(server.server_port)}",
            f"Labels go to {folder}. Ctrl-C ends the page.",
            f"Afterwards: {call.command} --set '{call.section}.labels={folder}/*.jsonl'",
        )
        yield ToolTable(title=f"{call.section}: {len(candidates)} prompts to label", notes=notes)
        server.serve_forever()


class Server(ThreadingHTTPServer):
    """The page's server; a thread a request."""

    daemon_threads = True

    def __init__(self, desk: Desk, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.desk, self.token = desk, new_token()

    @property
    def address(self) -> str:
        """URL of the page, with the token that opens it."""
        return page_address("127.0.0.1", self.server_port, self.token)


class _Refused(Exception):  # noqa: N818  (an outcome, not an error)
    def __init__(self, status: HTTPStatus, problem: str) -> None:
        super().__init__(problem)
        self.status = status


class _Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    timeout = 60
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        """Answer with a file of the page, or with a labeller's next item."""
        self._answer(self._get)

    def do_POST(self) -> None:
        """Keep or skip a label, and answer with the next item."""
        self._answer(self._post)

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing: addresses hold the token."""

    def _answer(self, made: Callable[[str], tuple[str, bytes]]) -> None:
        status = HTTPStatus.OK
        try:
            kind, body = made(self._route())
        except _Refused as refused:
            status, (kind, body) = refused.status, _problem(refused)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            status, (kind, body) = HTTPStatus.BAD_REQUEST, _problem(error)
        except (OSError, StagecoachError) as error:
            status, (kind, body) = HTTPStatus.INTERNAL_SERVER_ERROR, _problem(error)
        self.close_connection = True  # a refused body is not read
        self.send_response(status)
        for name, value in {**HEADERS, "Content-Type": f"{kind}; charset=utf-8", "Connection": "close"}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _route(self) -> str:
        """Return the path behind the token. Refuses another token, and another host (DNS rebinding)."""
        if not is_known_host(self.headers.get("Host"), LOCAL):
            raise _Refused(HTTPStatus.FORBIDDEN, "another host")
        token, mark, route = urlsplit(self.path).path.removeprefix("/").partition("/")
        if not mark or not is_token(token, self.server.token):
            raise _Refused(HTTPStatus.FORBIDDEN, "another token: copy the whole address")
        return route

    def _get(self, route: str) -> tuple[str, bytes]:
        if route in FILES:
            name, kind = FILES[route]
            return kind, (PAGE / name).read_bytes()
        if route != "item":
            raise _Refused(HTTPStatus.NOT_FOUND, "no such page")
        query = parse_qs(urlsplit(self.path).query)
        return self._view(query["labeller"][0], query.get("key", [None])[0])

    def _post(self, route: str) -> tuple[str, bytes]:
        length = int(self.headers.get("Content-Length") or 0)
        if self.headers.get_content_type() != "application/json" or not 0 < length <= MAX_BODY:
            raise _Refused(HTTPStatus.BAD_REQUEST, "not JSON, or too long")
        body = json.loads(self.rfile.read(length))
        if route == "keep":
            self.server.desk.keep(body["labeller"], body["key"], body["ranks"], body["reasons"])
        elif route == "skip":
            self.server.desk.skip(body["labeller"], body["key"])
        else:
            raise _Refused(HTTPStatus.NOT_FOUND, "no such page")
        return self._view(body["labeller"], None)

    def _view(self, labeller: str, key: str | None) -> tuple[str, bytes]:
        return _json(self.server.desk.view(labeller, key))


def _json(value: Any) -> tuple[str, bytes]:
    return "application/json", json.dumps(value).encode()


def _problem(error: Exception) -> tuple[str, bytes]:
    return _json({"problem": str(error)})
