"""Imports with some modules left out or replaced: packages import much that a process never uses."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType
from typing import Any


@contextmanager
def instead(modules: Mapping[str, ModuleType | None]) -> Iterator[None]:
    """Let imports in the block find these modules; None: there is no such module.

    A module that is imported already stays as it is. Behind the block the real modules can be imported.
    """
    absent: dict[str, Any] = {name: module for name, module in modules.items() if name not in sys.modules}
    sys.modules.update(absent)
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]


def stand_in(name: str, **values: Any) -> ModuleType:
    """Return a module of this name that holds the values."""
    module = ModuleType(name)
    vars(module).update(values)
    return module
