"""Megatron-Core without torch's compiler, which has nothing to compile on a CPU, and without what else it imports."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from types import ModuleType
from typing import Any

import torch

from stages.shared.imports import instead, stand_in

_SHAPES, _EXTENSIONS = "torch.fx.experimental.symbolic_shapes", "torch.utils.cpp_extension"


def leave_out() -> None:
    """Import Megatron-Core with its functions as they are written, if this process has no CUDA.

    Megatron hands some functions to torch.compile while it is imported. That imports the compiler: 70 MB and 1.3 s of
    processor time (torch 2.13), for functions that none of our layouts calls on a CPU. torch's distributed tensors
    import the compiler's symbolic shapes, and these SymPy: 33 MB and 0.4 s. TensorBoard and setuptools take 10 MB. Call
    it before any module that imports Megatron; behind one it changes nothing.
    """
    if torch.cuda.is_available():
        return
    library: Any = torch
    compiled, library.compile = library.compile, lambda function: function
    try:
        with instead({_SHAPES: _shapes(), _EXTENSIONS: _extensions(), "torch.utils.tensorboard": None}):
            import megatron.core  # noqa: F401, PLC0415  the import is the point
    finally:
        library.compile = compiled


def _shapes() -> ModuleType:
    """Return a stand-in for symbolic shapes, with what distributed tensors take from it."""
    unknown = type("GuardOnDataDependentSymNode", (Exception,), {})  # without a symbol none is raised
    late = {name: _late(name) for name in ("guard_or_false", "statically_known_true")}
    return stand_in(_SHAPES, GuardOnDataDependentSymNode=unknown, **late)


def _late(name: str) -> Callable[..., Any]:
    """Return a function that imports symbolic shapes when it is called."""

    def function(*given: Any) -> Any:
        return getattr(importlib.import_module(_SHAPES), name)(*given)

    return function


def _extensions() -> ModuleType:
    """Return a stand-in for what compiles extensions for CUDA, with what Megatron takes from it."""
    return stand_in(_EXTENSIONS, CUDA_HOME=None, load_inline=None)
