"""Hosts: names of a URL's host, as block lists and tables compare them."""

from __future__ import annotations

import re
import unicodedata
from ipaddress import ip_address
from urllib.parse import urlsplit

LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?")
MAX_LABEL, MAX_HOST = 63, 253
"""Characters (RFC 1035, 2.3.4)."""
DOTS = str.maketrans({"\u3002": ".", "\uff0e": ".", "\uff61": "."})
"""Full stops of other scripts, which browsers read as dots (UTS 46)."""


def host_of(url: str) -> str:
    """Return the host of a URL without `www.`; empty for a URL without a host."""
    try:
        return (urlsplit(url).hostname or "").removeprefix("www.")
    except ValueError:
        return ""


def ascii_host(name: str) -> str:
    """Return the one form in which hosts are compared: lower case, in ASCII (`xn--`), without a dot at the end.

    A name in letters of any script and its ASCII form are one host, as in IDNA 2008. Nothing is checked.
    """
    if ":" in name:
        return _ipv6(name)
    name = name.lower() if name.isascii() else unicodedata.normalize("NFKC", name.translate(DOTS)).lower()
    if not name.isascii():
        name = ".".join(label if label.isascii() else _to_ascii(label) for label in name.split("."))
    return name.rstrip(".")


def _ipv6(name: str) -> str:
    try:
        return str(ip_address(name))
    except ValueError:
        return name


def _to_ascii(label: str) -> str:
    return f"xn--{unicodedata.normalize('NFC', label).encode('punycode').decode('ascii')}"


def is_host(name: str) -> bool:
    """Return whether an `ascii_host` is a name of DNS or an IP address."""
    try:
        return bool(ip_address(name))
    except ValueError:
        labels = name.split(".")
        return len(name) <= MAX_HOST and all(len(each) <= MAX_LABEL and LABEL.fullmatch(each) for each in labels)


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
