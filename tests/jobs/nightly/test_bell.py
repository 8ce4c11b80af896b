"""The bell: a command and a webhook, over real HTTP; its failures are the night's record and not the night's end."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from jobs.nightly.bell import Bell
from stages.shared.errors import ConfigError, StagecoachError


class Handler(BaseHTTPRequestHandler):
    posted: ClassVar[list[dict[str, str]]] = []

    def do_POST(self) -> None:
        self.posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(500 if self.path == "/broken" else 200)
        self.end_headers()

    def log_message(self, *ignored: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    Handler.posted.clear()
    with HTTPServer(("127.0.0.1", 0), Handler) as made:
        threading.Thread(target=made.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{made.server_port}"
        made.shutdown()


def url_file(folder: Path, url: str) -> Path:
    path = folder / "hook"
    path.write_text(f"{url}\n")
    path.chmod(0o600)
    return path


def test_both_ways_get_the_message(tmp_path: Path, server: str) -> None:
    out = tmp_path / "out"
    bell = Bell(command=f'cat >"{out}"; echo " $STAGECOACH_NIGHT" >>"{out}"', webhook_file=url_file(tmp_path, server))
    assert bell.ring("sweep", "alarm: step_9 lost on piqa", tmp_path / "nightly.json") == ""
    assert out.read_text() == f"Stagecoach, sweep: alarm: step_9 lost on piqa {tmp_path / 'nightly.json'}\n"
    assert Handler.posted == [{"text": "Stagecoach, sweep: alarm: step_9 lost on piqa"}]


def test_what_goes_wrong_is_told_without_the_url(tmp_path: Path, server: str) -> None:
    assert Bell(command="echo no mail >&2; exit 4").ring("r", "m", tmp_path) == "the command ended with 4: no mail"
    assert (
        Bell(webhook_file=url_file(tmp_path, f"{server}/broken")).ring("r", "m", tmp_path) == "the webhook answered 500"
    )
    told = Bell(webhook_file=url_file(tmp_path, "http://127.0.0.1:9/secret")).ring("r", "m", tmp_path)
    assert told == "the webhook: URLError"


def test_a_webhook_file_that_cannot_be_used_is_refused_before_the_first_night(tmp_path: Path) -> None:
    path = url_file(tmp_path, "https://x/y")
    Bell(webhook_file=path).check()
    path.chmod(0o640)
    with pytest.raises(ConfigError, match="chmod 600"):
        Bell(webhook_file=path).check()
    with pytest.raises(ConfigError, match="one http or https URL"):
        Bell(webhook_file=url_file(tmp_path, "file:///etc/passwd")).check()
    with pytest.raises(StagecoachError, match="no such file"):
        Bell(webhook_file=tmp_path / "absent").check()
