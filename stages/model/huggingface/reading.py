"""Reads one tensor of a safetensors file."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import Tensor

from stages.shared.errors import DataError


def read_tensor(path: Path, name: str, prefix: str = "") -> Tensor:
    """Return the tensor that the file calls `prefix` + `name`. Raises DataError, naming file and tensor, if it cannot
    be read.
    """
    try:
        with safe_open(path, "pt") as file:
            tensor: Tensor = file.get_tensor(prefix + name)
    except (OSError, SafetensorError) as error:
        raise DataError(path, f"unreadable ({error})", "Fetch it again", record=name) from error
    return tensor
