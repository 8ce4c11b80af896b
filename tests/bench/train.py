"""Training against what people run today: `python -m tests.bench.train` prints one table, `--check` a verdict.

Each comparison alternates its sides in one run, each side in processes of its own; the modules say what exactly is
compared.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from tests.bench import train_checkpoints, train_speed
from tests.bench.compare import Comparison, add_options, show

SUBJECTS: dict[str, Callable[[int], list[Comparison]]] = {
    "speed": train_speed.comparisons,
    "checkpoints": train_checkpoints.comparisons,
}


def main() -> int:
    """Run what was asked for, print it; with --check return 1 if a comparison falls short."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_options(parser, SUBJECTS)
    return show(SUBJECTS, parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
