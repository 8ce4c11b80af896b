"""Files behind https:// and s3:// addresses, read once from front to back through all that networks do.

A connection that breaks is taken up again at the byte reached, if the file is still the same one (size and ETag).
Standard library only, because the launcher, too, reads lists of paths with it.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import random
import re
import socket
import ssl
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlsplit, urlunsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from stages.shared import s3
from stages.shared.errors import EXIT_FAILED, DataError

SCHEMES = ("https://", "http://", s3.SCHEME)
BUSY = (408, 425, 429)
"""Answers below 500 that mean: later."""
CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+)")
ERROR_CODE = re.compile(rb"<Code>(\w+)</Code>")
BLOCK = 1 << 18


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long to go on when a server does not answer as it should."""

    attempts: int = 12
    """Failures in a row, without one byte in between, after which to give up."""
    first_wait_s: float = 1.0
    """Before the second attempt; it doubles with each, and a random half of it is left out."""
    longest_wait_s: float = 120.0
    timeout_s: float = 60.0
    """Silence after which a connection counts as broken."""
    start_delay_s: float = 5.0
    """A random part of it passes before the first request, so that an array does not start with a thousand at once."""


JOB = Patience()
"""For array elements: a quarter of an hour of trouble passes before they fail."""
LAUNCHER = Patience(attempts=4, longest_wait_s=4.0, timeout_s=20.0, start_delay_s=0.0)
"""For a person who waits."""


class RemoteError(DataError):
    """An address that gave no whole file for now: another attempt, later, can help."""

    exit_code = EXIT_FAILED


class _NoRedirect(HTTPRedirectHandler):
    def redirect_request(self, *arguments: Any) -> None:
        """Take no other address: a signature must not travel to another host."""


FOLLOWS = build_opener()
STAYS = build_opener(_NoRedirect)


def is_remote(where: str) -> bool:
    """Return whether this is an address rather than a path."""
    return where.startswith(SCHEMES)


def shown(url: str) -> str:
    """Return an address fit for logs: without a password or a query, which may be a signature."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "", "")) + ("?..." if parts.query else "")


class RemoteFile:
    """One pass over a remote file. `size` (None if the server does not say) and `etag` are known after a read."""

    def __init__(self, url: str, patience: Patience = JOB) -> None:
        self.url, self.patience = url, patience
        self.position = 0
        self.size: int | None = None
        self.etag = ""
        self._response: Any = None
        self._is_known = False
        self._failures = 0

    def __enter__(self) -> RemoteFile:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """End the connection."""
        if self._response is not None:
            self._response.close()
            self._response = None

    def read(self, size: int = BLOCK) -> bytes:
        """Return up to `size` bytes; none at the end of the file.

        Raises DataError if the server refuses the file or it is another one by now, RemoteError if patience ends.
        """
        while True:
            try:
                if self._response is None:
                    self._connect()
                data: bytes = self._response.read1(size)
                if not data and self.size is not None and self.position < self.size:
                    raise ConnectionError(f"the connection ended at byte {self.position} of {self.size}")
            except (OSError, http.client.HTTPException) as error:  # URLError and HTTPError are OSErrors
                self.close()
                self._wait(error)
                continue
            self.position += len(data)
            self._failures = 0 if data else self._failures
            return data

    def _connect(self) -> None:
        if not self._is_known and not self._failures:
            time.sleep(random.uniform(0, self.patience.start_delay_s))
        opener = STAYS if self.url.startswith(s3.SCHEME) else FOLLOWS
        self._response = opener.open(self._request(), timeout=self.patience.timeout_s)
        start, size = self._range()
        etag = self._response.headers.get("ETag") or ""
        if self._is_known and not (_agree(size, self.size) and _agree(etag, self.etag)):
            problem = f"another file since byte {self.position} was read (size {self.size}, then {size})"
            raise DataError(shown(self.url), problem, "The file changed during the run. Stop its writers and rerun")
        self.size, self.etag, self._is_known = size, etag, True
        while start < self.position:  # a server that knows no ranges begins anew
            skipped = self._response.read1(min(BLOCK, self.position - start))
            if not skipped:
                raise ConnectionError(f"the connection ended at byte {start}")
            start += len(skipped)

    def _request(self) -> Request:
        headers = {"User-Agent": "stagecoach", "Accept-Encoding": "identity"}
        if self.position:
            headers["Range"] = f"bytes={self.position}-"
        if not self.url.startswith(s3.SCHEME):
            parts = urlsplit(self.url)
            path = quote(parts.path, safe="/%:@!$&'()*+,;=~-._")
            return Request(urlunsplit((parts.scheme, parts.netloc, path, parts.query, "")), headers=headers)
        address = s3.http_address(self.url, os.environ)
        if credentials := s3.find_credentials(os.environ):
            now = datetime.now(timezone.utc)
            headers = s3.signed_headers(address, headers, credentials, s3.region(os.environ), now)
        return Request(address, headers=headers)

    def _range(self) -> tuple[int, int | None]:
        """Return where the server's answer starts and the whole file's size."""
        headers = self._response.headers
        if self._response.status == http.HTTPStatus.PARTIAL_CONTENT:
            if not (match := CONTENT_RANGE.match(headers.get("Content-Range", ""))):
                raise http.client.HTTPException(f"a part of the file without a place: {headers.get('Content-Range')!r}")
            if int(match[1]) > self.position:
                raise http.client.HTTPException(f"asked for byte {self.position}, got {match[1]} on")
            return int(match[1]), int(match[2])
        length = headers.get("Content-Length", "")
        return 0, int(length) if length.isdigit() else None

    def _wait(self, error: Exception) -> None:
        """Sleep before the next attempt. Raises DataError or RemoteError if there should be none."""
        self._failures += 1
        status = error.code if isinstance(error, HTTPError) else 0
        said = _words(error)
        if status and status < 500 and status not in BUSY:
            raise DataError(shown(self.url), said, _remedy(status, self.url)) from error
        if isinstance(getattr(error, "reason", error), ssl.SSLCertVerificationError):
            remedy = "Name your certificates in SSL_CERT_FILE (the cluster file's environment is a place)"
            raise RemoteError(shown(self.url), said, remedy) from error
        if self._failures >= self.patience.attempts:
            problem = f"no answer after {self._failures} attempts; the last at byte {self.position}: {said}"
            remedy = "Check that this node reaches the network, or throttle the array; then run again"
            raise RemoteError(shown(self.url), problem, remedy) from error
        wait = min(self.patience.longest_wait_s, self.patience.first_wait_s * 2 ** (self._failures - 1))
        after = error.headers.get("Retry-After", "") if isinstance(error, HTTPError) else ""
        asked = min(float(after), self.patience.longest_wait_s) if after.isdigit() else 0.0
        time.sleep(max(asked, wait * random.uniform(0.5, 1.0)))


def probe(url: str, patience: Patience = LAUNCHER) -> tuple[int | None, str]:
    """Return a remote file's size in bytes (None if the server does not say) and its ETag. Raises as reading does."""
    with RemoteFile(url, patience) as file:
        file.read(1)
        return file.size, file.etag


def fetch(url: str, max_bytes: int, patience: Patience = LAUNCHER) -> bytes:
    """Return a small remote file whole. Raises DataError if it is larger than `max_bytes`, or as reading does."""
    data = bytearray()
    with RemoteFile(url, patience) as file:
        while block := file.read():
            data += block
            if len(data) > max_bytes:
                raise DataError(shown(url), f"more than {max_bytes} bytes", "Want a list of paths, not the files")
    return bytes(data)


def _agree(now: Any, before: Any) -> bool:
    """Return whether two answers may be about one file: what a server leaves out says nothing."""
    return not now or not before or now == before


def _words(error: Exception) -> str:
    """Return what happened, in the server's words if it had any."""
    if isinstance(error, HTTPError):
        body = b""
        with error, contextlib.suppress(OSError, http.client.HTTPException):
            body = error.read(2048)
        code = ERROR_CODE.search(body)
        return f"HTTP {error.code} {error.reason}" + (f" ({code[1].decode()})" if code else "")
    reason = error.reason if isinstance(error, URLError) else error
    if isinstance(reason, socket.timeout | TimeoutError):
        return "the server fell silent"
    return str(reason) or type(reason).__name__


def _remedy(status: int, url: str) -> str:
    if 300 <= status < 400:
        return (
            "The bucket is in another region: set AWS_REGION to it (the cluster file's environment is a place for it)"
        )
    if status in (401, 403) and url.startswith(s3.SCHEME):
        return (
            "Check the address and give credentials (AWS_ACCESS_KEY_ID ... or ~/.aws/credentials); s3://commoncrawl "
            "answers nobody without, https://data.commoncrawl.org everybody"
        )
    return "Check the address"
