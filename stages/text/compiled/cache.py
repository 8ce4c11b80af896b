"""The folder for files that can be made again: machine code of kernels, the block list of hosts."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """Return $STAGECOACH_CACHE, else the user's cache folder; of a user without a home one that cannot be made."""
    if own := os.environ.get("STAGECOACH_CACHE"):
        return Path(own)
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "stagecoach"
    except RuntimeError:  # no HOME and no entry in passwd, as in a container
        return Path(os.devnull) / "stagecoach"
