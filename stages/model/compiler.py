"""Megatron-Core without torch's compiler, which has nothing to compile on a CPU."""

from __future__ import annotations

from typing import Any

import torch


def leave_out() -> None:
    """Import Megatron-Core with its functions as they are written, if this process has no CUDA.

    Megatron hands some functions to torch.compile while it is imported. That imports the compiler: 70 MB and 1.3 s of
    processor time (torch 2.13), for functions that none of our layouts calls on a CPU. Call it before any module that
    imports Megatron; behind one it changes nothing.
    """
    if torch.cuda.is_available():
        return
    library: Any = torch
    compiled, library.compile = library.compile, lambda function: function
    try:
        import megatron.core  # noqa: F401, PLC0415  the import is the point
    finally:
        library.compile = compiled
