"""Training against what people run today: `python -m tests.bench.train` prints one table, `--check` a verdict.

Each comparison alternates its sides in one run, each side in processes of its own; the modules say what exactly is
compared.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from tests.bench import train_checkpoints, train_speed
from tests.bench.compare import Comparison, table, verdict

SUBJECTS: dict[str, Callable[[int], list[Comparison]]] = {
    "speed": train_speed.comparisons,
    "checkpoints": train_checkpoints.comparisons,
    "gpu": train_speed.gpu_comparisons,
}


def main() -> int:
    """Run what was asked for, print it; with --check return 1 if a comparison falls short."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="turns of each side; the best counts")
    parser.add_argument(
        "--check", action="store_true", help="end with `name: got X, asked Y`, and with exit code 1 if it falls short"
    )
    parser.add_argument("--only", choices=SUBJECTS, action="append", help="one subject; may be repeated")
    options = parser.parse_args()
    found = []
    for name, compare in SUBJECTS.items():
        if options.only is None or name in options.only:
            print(f"{name} ...", file=sys.stderr)
            found += compare(options.rounds)
    if not found:
        return 0
    print(table(found))
    is_enough, line = verdict(found)
    if options.check:
        print(line)
    return int(options.check and not is_enough)


if __name__ == "__main__":
    sys.exit(main())
