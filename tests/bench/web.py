"""The web stage against what people run today: `python -m tests.bench.web` prints one table, `--check` a verdict.

Each comparison alternates its sides in one run on one core; the modules say what exactly is compared.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.bench import web_chain, web_growth, web_repetition, web_signatures, web_substrings
from tests.bench.compare import Comparison, one_core, table, verdict


def main() -> int:
    """Run what was asked for, print it; with --check return 1 if a comparison falls short."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="turns of each side; the best counts")
    parser.add_argument("--input", type=Path, help="WARC file for the chain: real pages, else the sample web")
    parser.add_argument(
        "--check", action="store_true", help="end with `name: got X, asked Y`, and with exit code 1 if it falls short"
    )
    subjects: dict[str, Callable[[int], list[Comparison]]] = {
        "chain": web_chain.comparisons,
        "repetition": web_repetition.comparisons,
        "signatures": web_signatures.comparisons,
        "substrings": web_substrings.comparisons,
        "growth": web_growth.comparisons,
    }
    parser.add_argument("--only", choices=subjects, action="append", help="one subject; may be repeated")
    options = parser.parse_args()
    subjects["chain"] = partial(web_chain.comparisons, input_file=options.input)
    one_core()
    found = []
    for name, compare in subjects.items():
        if options.only is None or name in options.only:
            print(f"{name} ...", file=sys.stderr)
            found += compare(options.rounds)
    print(table(found))
    is_enough, line = verdict(found)
    if options.check:
        print(line)
    return int(options.check and not is_enough)


if __name__ == "__main__":
    sys.exit(main())
