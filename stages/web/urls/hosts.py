"""Hosts: names of a URL's host, as block lists and tables compare them."""

from __future__ import annotations

from urllib.parse import urlsplit


def host_of(url: str) -> str:
    """Return the host of a URL without `www.`; empty for a URL without a host."""
    try:
        return (urlsplit(url).hostname or "").removeprefix("www.")
    except ValueError:
        return ""


def with_parents(host: str) -> list[str]:
    """Return a host and the domains above it: `a.b.com`, `b.com`, `com`.

    A list entry `b.com` thereby blocks `a.b.com`, and `xxx` (UT1 lists four such) all of that top-level domain.
    """
    host = host.lower()
    found = [host]
    for _ in range(host.count(".")):
        host = host.partition(".")[2]
        found.append(host)
    return found
