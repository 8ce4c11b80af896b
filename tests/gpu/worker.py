"""One process of a check: does its imports, waits for an order on standard input, writes its answer to a file."""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path

from stages.shared.files import write_json
from tests.gpu import training

WORKS = {
    "data": "tests.gpu.data:written",
    "versions": "tests.gpu.versions:found",
    "train": f"{training.__name__}:measured",
    "plain": "tests.gpu.plain:measured",
    "generate": "tests.gpu.generation:measured",
}
"""Functions of an order. All need what a training imports; the others' further imports are theirs alone."""


def main() -> None:
    """Do what is ordered; without an order there is nothing to do."""
    if line := sys.stdin.readline():
        asked = json.loads(line)
        module, _, function = WORKS[asked["work"]].partition(":")
        write_json(Path(sys.argv[1]), getattr(import_module(module), function)(asked["order"]))


if __name__ == "__main__":
    main()
