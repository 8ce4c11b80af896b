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
from tests.bench.compare import Comparison, add_options, one_core, show


def main() -> int:
    """Run what was asked for, print it; with --check return 1 if a comparison falls short."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--input", type=Path, help="WARC file for the chain: real pages, else the sample web")
    subjects: dict[str, Callable[[int], list[Comparison]]] = {
        "chain": web_chain.comparisons,
        "repetition": web_repetition.comparisons,
        "signatures": web_signatures.comparisons,
        "substrings": web_substrings.comparisons,
        "growth": web_growth.comparisons,
    }
    add_options(parser, subjects)
    options = parser.parse_args()
    subjects["chain"] = partial(web_chain.comparisons, input_file=options.input)
    one_core()
    return show(subjects, options)


if __name__ == "__main__":
    sys.exit(main())
