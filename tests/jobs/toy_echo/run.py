"""The toy service: a real HTTP server that echoes the path it is asked for."""

from __future__ import annotations

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from stages.echo.config import EchoConfig

from stages.shared.task import Task


def serve(task: Task[EchoConfig]) -> dict[str, Any]:
    """Answer until someone says stop."""

    class Echo(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(f"{task.config.reply} {self.path}\n".encode())

    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    task.serve(f"http://127.0.0.1:{server.server_address[1]}")
    while not task.should_stop():
        time.sleep(0.05)
    server.shutdown()
    return {}
