"""Side by side: two ways of the same job, alternating in one run on one core, so that the machine's noise hits both."""

from __future__ import annotations

import argparse
import gc
import os
import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Comparison:
    """What came out: rates in `unit` per second of processor time, the best round of each side."""

    name: str
    unit: str
    ours: float
    theirs: float
    """The rate of what a user would pick instead; 1.0 if `asked` is a rate of its own and not a ratio."""
    against: str
    asked: float
    """Least ratio of ours to theirs."""
    note: str = ""

    @property
    def ratio(self) -> float:
        """How many times as fast ours is."""
        return self.ours / self.theirs


def one_core() -> None:
    """Bind this process and its children to one core."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def alternate(ours: Callable[[], float], theirs: Callable[[], float], rounds: int) -> tuple[float, float]:
    """Return the best rate of each: the functions return how many units they did; both are warmed up by the caller."""
    best = [0.0, 0.0]
    for _ in range(rounds):
        for place, work in enumerate((ours, theirs)):
            gc.collect()
            start = _cpu_seconds()
            units = work()
            best[place] = max(best[place], units / (_cpu_seconds() - start))
    return best[0], best[1]


def _cpu_seconds() -> float:
    """Processor time of this process and of its children that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def table(found: list[Comparison]) -> str:
    """Return the comparisons as a table for people."""
    head = ("what", "unit/s", "ours", "instead", "its rate", "ratio", "asked", "")
    rows = [
        (c.name, c.unit, _number(c.ours), c.against, _number(c.theirs), f"{c.ratio:.2f}x", f"{c.asked:g}x", c.note)
        for c in found
    ]
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in [head, *rows]
    )


def _number(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 100 else f"{rate:.3g}"


def verdict(found: list[Comparison]) -> tuple[bool, str]:
    """Return whether all ratios are reached, and a line on the one with the least to spare."""
    tightest = min(found, key=lambda comparison: comparison.ratio / comparison.asked)
    line = f"{tightest.name}: got {tightest.ratio:.2f}x, asked {tightest.asked:g}x"
    return tightest.ratio >= tightest.asked, line


def add_options(parser: argparse.ArgumentParser, subjects: Collection[str]) -> None:
    """Add what every bench with several subjects understands: --rounds, --check and --only."""
    parser.add_argument("--rounds", type=int, default=3, help="turns of each side; the best counts")
    parser.add_argument(
        "--check", action="store_true", help="end with `name: got X, asked Y`, and with exit code 1 if it falls short"
    )
    parser.add_argument("--only", choices=subjects, action="append", help="one subject; may be repeated")


def show(subjects: Mapping[str, Callable[[int], list[Comparison]]], options: argparse.Namespace) -> int:
    """Compare what was asked for and print it; return the exit code: with --check 1 if a comparison falls short."""
    found: list[Comparison] = []
    for name, compare in subjects.items():
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
