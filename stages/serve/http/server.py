"""The server's process: its socket, its protocol with time limits, and a clean stop."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import importlib
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from stages.serve.config import ServeConfig
from stages.serve.http.app import Backend, Service, make_app
from stages.serve.http.guard import Guard
from stages.shared.errors import ConfigError
from stages.shared.page import LOCAL, page_address

PORTS = range(20_000, 30_000)
"""Ports of runs: below those that systems give to clients."""
_HEAD_BYTES = 64 << 10
_STOP_S = 10
"""Time that answers which have begun have at a stop."""
_LOOK_S = 0.1


@dataclass(frozen=True, kw_only=True)
class Files:
    """Files that a server reads."""

    models: Mapping[str, Path]
    """Checkpoints by the names of their models."""
    tokenizer: Path
    corpus: Sequence[Path] = ()
    """Documents of the search."""


class _Protocol(H11Protocol):
    """Closes a connection that sends no whole request in time: uvicorn waits for the first one forever."""

    _due: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait."""
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Stop waiting once there is a request."""
        super().data_received(data)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._end_wait()
        super().connection_lost(exc)

    def _wait(self) -> None:
        is_served = self.cycle is not None and not self.cycle.response_complete
        if is_served or self.conn.their_state is not h11.IDLE:
            self._end_wait()
        elif self._due is None:
            self._due = self.loop.call_later(self.config.timeout_keep_alive, self.transport.close)

    def _end_wait(self) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None


class _Server(uvicorn.Server):
    """Leaves signals to the process that it runs in."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


class Server:
    """A server that listens already, so that its address is known. Use as a context manager."""

    def __init__(self, files: Files, config: ServeConfig, run_dir: Path, token: str) -> None:
        """The first model is loaded at once. Raises ConfigError for a port that is taken."""
        self.names, self.token = [*files.models], token
        self._config, self._socket = config, _listen(config, run_dir)
        self.port = int(self._socket.getsockname()[1])
        is_open = config.host in ("0.0.0.0", "::")
        self.host = socket.gethostname() if is_open else config.host

        def start() -> Backend:
            # Takes seconds, torch among them: the page answers before.
            compiler: Any = importlib.import_module("stages.model.compiler")
            compiler.leave_out()
            answering: Any = importlib.import_module("stages.serve.answering")
            backend: Backend = answering.open_answering(files, config, run_dir)
            return backend

        self._service = Service(self.names, start, config.limits)

    @property
    def address(self) -> str:
        """URL of the page, with its token; `v1` below it is the base URL of the API."""
        return page_address(self.host, self.port, self.token)

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *error: object) -> None:
        self._socket.close()

    def run(self, should_stop: Callable[[], bool], on_ready: Callable[[], None] = lambda: None) -> None:
        """Serve until `should_stop()`; call `on_ready` once the first model is loaded.

        Answers that have begun at a stop have some seconds. Raises what the loading failed with.
        """
        asyncio.run(self._run(should_stop, on_ready))

    async def _run(self, should_stop: Callable[[], bool], on_ready: Callable[[], None]) -> None:
        limits = self._config.limits
        guard = Guard(make_app(self._service), self.token, {*LOCAL, self.host, socket.gethostname()}, limits)
        config = uvicorn.Config(
            guard,
            loop="asyncio",
            http=_Protocol,
            ws="none",
            log_config=None,
            log_level="critical",  # tracebacks may hold texts of requests
            access_log=False,  # URLs hold the token
            server_header=False,
            limit_concurrency=limits.connections,
            timeout_keep_alive=limits.idle_seconds,
            timeout_graceful_shutdown=_STOP_S,
            h11_max_incomplete_event_size=_HEAD_BYTES,
        )
        server = _Server(config)
        serving = asyncio.ensure_future(server.serve([self._socket]))
        ready = asyncio.ensure_future(self._service.ready())
        is_told = False
        try:
            while not serving.done():
                await asyncio.wait({serving}, timeout=_LOOK_S)
                if ready.done() and not is_told:
                    ready.result()
                    on_ready()
                    is_told = True
                server.should_exit |= should_stop()
        finally:
            server.should_exit = True
            await serving


def _listen(config: ServeConfig, run_dir: Path) -> socket.socket:
    """Return a socket that listens: on the port that is set, else on the run's own, else on a free one."""
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    own = PORTS[int(hashlib.sha256(str(run_dir).encode()).hexdigest()[:8], 16) % len(PORTS)]
    problem: OSError | None = None
    for port in (config.port,) if config.port else (own, 0):
        try:
            return socket.create_server((config.host, port), family=family, backlog=2048)
        except OSError as error:
            problem = error
    setting, value = ("port", config.port) if config.port else ("host", config.host)
    wanted = f"free on this machine ({problem.strerror if problem else ''})"
    raise ConfigError(setting, value, wanted) from problem
