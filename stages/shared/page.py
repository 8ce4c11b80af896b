"""Pages and services for one user: a token in the URL's path, known hosts, and headers that shut a page in.

A page of another site cannot guess the token, read an answer (no CORS) or come under another host name (DNS rebinding).
"""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Collection
from urllib.parse import quote, urlsplit

LOCAL = ("127.0.0.1", "localhost")
"""Names of this machine on itself."""
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src data: blob:; media-src data: blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
"""Headers of every answer: a page runs its own script, and loads nothing else."""


def new_token() -> str:
    """Return a token that cannot be guessed."""
    return secrets.token_urlsafe(16)


def is_token(given: str, token: str) -> bool:
    """Return whether a token is the right one, in a time that does not depend on the token."""
    return secrets.compare_digest(given.encode("utf-8", "replace"), token.encode())


def is_known_host(header: str | None, hosts: Collection[str]) -> bool:
    """Return whether a Host header names one of `hosts`, with any port, or an IP address.

    Rebinding gives a foreign name our address; an address stands for itself.
    """
    try:
        name = urlsplit(f"//{header or ''}").hostname or ""
        return name in {host.lower() for host in hosts} or bool(ipaddress.ip_address(name))
    except ValueError:
        return False


def page_address(host: str, port: int, token: str) -> str:
    """Return the URL of a page, with the token that opens it."""
    return f"http://{host}:{port}/{quote(token)}/"


def tunnel(port: int) -> str:
    """Return the command that opens a page of this machine on another one."""
    return f"ssh -L {port}:127.0.0.1:{port} HOST"
