"""Plotly's script, packed for the page: as it lies in the wheel it would be nine tenths of the report."""

from __future__ import annotations

import base64
import gzip
import hashlib
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path


@dataclass(frozen=True)
class PackedScript:
    """A script to be unpacked in the browser."""

    base64_gzip: str
    sha256: str
    """Digest of the unpacked script in base64, as a content security policy names it."""


def pack_plotly() -> PackedScript | None:
    """Return plotly.min.js of the installed package, None if there is none (a login node may lack it).

    The package is found, not imported: importing it takes longer than making the report.
    """
    spec = find_spec("plotly")
    if spec is None or not spec.submodule_search_locations:
        return None
    script = (Path(spec.submodule_search_locations[0]) / "package_data" / "plotly.min.js").read_bytes()
    return PackedScript(base64.b64encode(gzip.compress(script, 9, mtime=0)).decode(), script_hash(script))


def script_hash(script: bytes) -> str:
    """Return the base64 SHA-256 by which a content security policy allows an inline script."""
    return base64.b64encode(hashlib.sha256(script).digest()).decode()
