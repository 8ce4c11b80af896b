"""The application: routes of OpenAI's API, the chat page, and the state of the models.

The page and /health answer while the models are being loaded. Contents of requests and answers reach no log.
"""

from __future__ import annotations

import asyncio
import json
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any, Protocol, TypeVar

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from stages.serve.config import Limits
from stages.serve.http.guard import refusal
from stages.serve.problems import Problem
from stages.shared import log

PAGE = Path(__file__).resolve().parents[3] / "templates" / "serve"
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
Answer = dict[str, Any] | AsyncIterator[dict[str, Any]]
Found = TypeVar("Found")


class Backend(Protocol):
    """What answers requests: stages/serve/answering.py."""

    async def model(self, name: str) -> Any:
        """Load a model."""

    async def chat(self, body: bytes) -> Answer:
        """Answer a conversation."""

    async def complete(self, body: bytes) -> Answer:
        """Complete a text."""

    @property
    def tools(self) -> list[dict[str, Any]]:
        """The tools that the server runs."""

    def close(self) -> None:
        """End."""


class Service:
    """A server's state: the names of its models, and what answers for them once it is there."""

    def __init__(self, names: Sequence[str], start: Callable[[], Backend], limits: Limits) -> None:
        """`start` may take seconds; it is called in a thread, when the server starts."""
        self.names, self.limits, self._start = names, limits, start
        self._backend: asyncio.Future[Backend] | None = None

    @property
    def state(self) -> str:
        """`ok`, `loading` or `failed`."""
        if self._backend is None or not self._backend.done():
            return "loading"
        return "failed" if self._backend.cancelled() or self._backend.exception() else "ok"

    async def ready(self) -> None:
        """Wait until the first model is loaded. Raises what its loading failed with."""
        if self._backend is None:
            self._backend = asyncio.ensure_future(self._open())
        await asyncio.shield(self._backend)

    async def _open(self) -> Backend:
        backend = await asyncio.to_thread(self._start)
        await backend.model(self.names[0])
        return backend

    async def backend(self) -> Backend:
        """Return what answers. Raises Problem if it could not be loaded."""
        try:
            await self.ready()
        except Exception as error:
            problem = "the model could not be loaded: see the server's log"
            raise Problem(problem, status=HTTPStatus.SERVICE_UNAVAILABLE) from error
        assert self._backend is not None
        return self._backend.result()

    @asynccontextmanager
    async def running(self, _: Starlette) -> AsyncIterator[None]:
        """End the engines with the server."""
        yield
        if self.state == "ok" and self._backend is not None:
            await asyncio.to_thread(self._backend.result().close)

    async def health(self, _: Request) -> Response:
        """Answer at once, also while models are loaded or decode."""
        status = HTTPStatus.OK if self.state == "ok" else HTTPStatus.SERVICE_UNAVAILABLE
        return JSONResponse({"status": self.state}, status)

    async def models(self, request: Request) -> Response:
        """List the models, or show one."""
        listed = [{"id": name, "object": "model", "created": 0, "owned_by": "stagecoach"} for name in self.names]
        name = request.path_params.get("name")
        if name is None:
            return JSONResponse({"object": "list", "data": listed})
        if name not in self.names:
            problem = f"model: {name!r} is none of {', '.join(self.names)}"
            raise Problem(problem, param="model", code="model_not_found", status=HTTPStatus.NOT_FOUND)
        return JSONResponse(listed[self.names.index(name)])

    async def tools(self, _: Request) -> Response:
        """List the tools that the server runs for requests that name them in `server_tools`."""
        return JSONResponse({"object": "list", "data": (await self.backend()).tools})

    async def chat(self, request: Request) -> Response:
        """Answer a conversation."""
        body = await read_body(request, self.limits)
        return await self._answered(request, (await self.backend()).chat(body))

    async def complete(self, request: Request) -> Response:
        """Complete a text."""
        body = await read_body(request, self.limits)
        return await self._answered(request, (await self.backend()).complete(body))

    async def _answered(self, request: Request, answer: Awaitable[Answer]) -> Response:
        found = await unless_gone(request, answer)
        return JSONResponse(found) if isinstance(found, dict) else EventStream(found, self.limits.idle_seconds)


async def read_body(request: Request, limits: Limits) -> bytes:
    """Return the body. Raises Problem for one that is no JSON, too large or too slow; nothing beyond is read."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Problem("Content-Type: must be application/json", status=HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
    most, body = limits.body_mb * 1_000_000, bytearray()
    too_large = Problem(
        f"a body of more than {limits.body_mb} MB", code="too_large", status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    )
    length = request.headers.get("content-length", "0")
    if length.isdecimal() and int(length[:20]) > most:
        raise too_large
    try:
        async with asyncio.timeout(limits.idle_seconds):
            async for piece in request.stream():
                body += piece
                if len(body) > most:
                    raise too_large
    except TimeoutError as error:
        raise Problem("the body did not arrive in time", status=HTTPStatus.REQUEST_TIMEOUT) from error
    return bytes(body)


async def unless_gone(request: Request, answer: Awaitable[Found]) -> Found:
    """Return an answer. Raises ClientDisconnect, and ends the work on it, if its client leaves before."""
    work, gone = asyncio.ensure_future(answer), asyncio.ensure_future(_until_gone(request.receive))
    try:
        await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            raise ClientDisconnect
        return work.result()
    finally:
        for task in (work, gone):
            task.cancel()
        await asyncio.wait({work, gone})


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class EventStream(Response):
    """Server-sent events, one a piece. Ends with its client; a client that takes no piece in time is left."""

    media_type = "text/event-stream"

    def __init__(self, pieces: AsyncIterator[dict[str, Any]], idle_seconds: float) -> None:
        super().__init__()
        del self.headers["content-length"]
        self._pieces, self._idle_seconds = pieces, idle_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the pieces."""
        work = asyncio.ensure_future(self._send_all(send))
        gone = asyncio.ensure_future(_until_gone(receive))
        try:
            await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (work, gone):
                task.cancel()
            await asyncio.wait({work, gone})
        if not work.cancelled():
            work.result()

    async def _send_all(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        try:
            async for piece in self._pieces:
                await self._send(send, json.dumps(piece, ensure_ascii=False, separators=(",", ":")))
        except Problem as problem:
            await self._send(send, json.dumps(problem.body))
        except TimeoutError:
            return  # it took no piece in time
        except Exception as error:
            log.error(f"a stream failed: {without_content(error)}")
            failure = Problem("the server failed", status=HTTPStatus.INTERNAL_SERVER_ERROR)
            await self._send(send, json.dumps(failure.body))
        await self._send(send, "[DONE]")
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send(self, send: Send, text: str) -> None:
        async with asyncio.timeout(self._idle_seconds):
            await send({"type": "http.response.body", "body": f"data: {text}\n\n".encode(), "more_body": True})


def without_content(error: BaseException) -> str:
    """Return an error's class and place. Its message may hold texts of a request."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{type(error).__name__} at {' > '.join(f'{Path(each.filename).name}:{each.lineno}' for each in frames)}"


async def _page(request: Request) -> Response:
    """Return a file of the page."""
    path = PAGE / (request.path_params.get("file") or "page.html")
    if path.suffix not in TYPES or path.parent != PAGE or not path.is_file():
        raise HTTPException(HTTPStatus.NOT_FOUND)
    return Response(path.read_bytes(), media_type=TYPES[path.suffix])


async def _refused(_: Request, error: Exception) -> Response:
    if isinstance(error, Problem):
        return refusal(error)
    status = HTTPStatus(error.status_code) if isinstance(error, HTTPException) else HTTPStatus.INTERNAL_SERVER_ERROR
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:
        log.error(f"a request failed: {without_content(error)}")
        return refusal(Problem("the server failed", status=status))
    return refusal(Problem(status.phrase.lower(), status=status))


async def _left(_: Request, error: Exception) -> Response:
    return Response(status_code=499)  # its client has left


def make_app(service: Service) -> Starlette:
    """Return the application, without its guard."""
    return Starlette(
        routes=[
            Route("/health", service.health),
            Route("/v1/models", service.models),
            Route("/v1/models/{name:path}", service.models),
            Route("/v1/tools", service.tools),
            Route("/v1/chat/completions", service.chat, methods=["POST"]),
            Route("/v1/completions", service.complete, methods=["POST"]),
            Route("/", _page),
            Route("/{file}", _page),
        ],
        exception_handlers={
            ClientDisconnect: _left,
            Problem: _refused,
            HTTPException: _refused,
            Exception: _refused,
        },
        lifespan=service.running,
    )
