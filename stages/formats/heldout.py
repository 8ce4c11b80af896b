"""Choice of the records that are held out of a training, by name alone: in every run, split and order, or in none."""

from __future__ import annotations

import hashlib


def is_heldout(name: str, share: float) -> bool:
    """Return whether a record is held out: a hash of its name, as a number in [0, 1), is below the share."""
    digest = hashlib.sha256(f"heldout/{name}".encode(errors="replace")).digest()
    return int.from_bytes(digest[:8], "big") < share * 2**64
