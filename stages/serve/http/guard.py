"""The guard before the application: token, host, origin, number of requests, and headers of every answer."""

from __future__ import annotations

from collections.abc import Collection
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stages.serve.config import Limits
from stages.serve.problems import Problem
from stages.shared.page import HEADERS, is_known_host, is_token

OPEN = ("/health",)
"""Paths without a token: they tell nothing of anybody."""
MAX_HEAD_BYTES = 32 << 10
"""Size of the names and values of a request's headers."""
_BEARER = "bearer "


class Guard:
    """Lets requests with the token pass: `/TOKEN/v1/...`, which is the page's way, or `Authorization: Bearer TOKEN`."""

    def __init__(self, app: ASGIApp, token: str, hosts: Collection[str], limits: Limits) -> None:
        self._app, self._token, self._hosts, self._limits = app, token, hosts, limits
        self._running = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass a request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        counts = scope["method"] == "POST"
        try:
            inner = self._checked(scope)
            if counts and self._running >= self._limits.requests:
                problem = f"{self._running} requests are under way: try again"
                raise Problem(problem, code="rate_limit_exceeded", status=HTTPStatus.TOO_MANY_REQUESTS)
        except Problem as problem:
            await refusal(problem)(scope, receive, send_with_headers)
            return
        self._running += counts
        try:
            await self._app(inner, receive, send_with_headers)
        finally:
            self._running -= counts

    def _checked(self, scope: Scope) -> dict[str, Any]:
        """Return the scope behind the token. Raises Problem for another token, host or origin, and large headers."""
        headers = Headers(scope=scope)
        if sum(len(name) + len(value) for name, value in headers.raw) > MAX_HEAD_BYTES:
            status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
            raise Problem(f"headers of more than {MAX_HEAD_BYTES} bytes", code="too_large", status=status)
        host, origin = headers.get("host"), headers.get("origin")
        if not is_known_host(host, self._hosts):
            raise Problem("another host", code="wrong_host", status=HTTPStatus.FORBIDDEN)
        if origin is not None and urlsplit(origin).netloc != host:
            raise Problem("another origin", code="wrong_origin", status=HTTPStatus.FORBIDDEN)
        path = scope["path"]
        first, mark, rest = path.removeprefix("/").partition("/")
        if mark and is_token(first, self._token):
            return {**scope, "path": f"/{rest}", "raw_path": f"/{rest}".encode()}
        given = headers.get("authorization", "")
        has_token = given[: len(_BEARER)].lower() == _BEARER and is_token(given[len(_BEARER) :].strip(), self._token)
        if path not in OPEN and not (has_token and path.startswith("/v1/")):
            raise Problem("another token", code="invalid_api_key", status=HTTPStatus.UNAUTHORIZED)
        return {**scope}


def refusal(problem: Problem) -> JSONResponse:
    """Return the answer to a request that is refused."""
    headers = {"Retry-After": "1"} if problem.status == HTTPStatus.TOO_MANY_REQUESTS else None
    return JSONResponse(problem.body, problem.status, headers)
