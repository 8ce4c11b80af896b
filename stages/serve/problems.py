"""Refusals in the shape of OpenAI's API: {"error": {"message", "type", "param", "code"}}."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from pydantic import ValidationError


class Problem(Exception):  # noqa: N818  (an outcome, not an error)
    """A request that is not answered, with its status."""

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        status: HTTPStatus = HTTPStatus.BAD_REQUEST,
    ) -> None:
        super().__init__(message)
        self.param, self.code, self.status = param, code, status

    @property
    def body(self) -> dict[str, Any]:
        """The JSON of it."""
        kind = "invalid_request_error" if self.status < HTTPStatus.INTERNAL_SERVER_ERROR else "server_error"
        if self.status == HTTPStatus.TOO_MANY_REQUESTS:
            kind = "rate_limit_error"
        return {"error": {"message": str(self), "type": kind, "param": self.param, "code": self.code}}


def wrong_field(error: ValidationError) -> Problem:
    """Return the problem of the first field that is wrong. Its value is not repeated."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    param = ""
    for step in first["loc"]:
        param += f"[{step}]" if isinstance(step, int) else f".{step}" if param else str(step)
    message = first["msg"]
    if first["type"] == "extra_forbidden":
        return Problem(f"{param}: not a parameter of this server", param=param, code="unknown_parameter")
    return Problem(f"{param}: {message[0].lower()}{message[1:]}", param=param or None)
