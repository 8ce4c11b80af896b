"""The folder for files that can be made again: machine code of kernels, the block list of hosts."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """Return $STAGECOACH_CACHE, else the user's cache folder."""
    if own := os.environ.get("STAGECOACH_CACHE"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "stagecoach"
