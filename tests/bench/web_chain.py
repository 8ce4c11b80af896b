"""From a WARC file to filtered documents: our steps `extract` and `filter` against datatrove's stock chain.

All sides are processes bound to one core, and take turns, round after round, so that the machine's noise hits them all.
Imports, datatrove's block list (3 s, for which ours is a mapped file), models and compiled code are warmed up on a few
pages outside of the clock; ours starts its extraction process inside of it. Rates are pages per second of processor
time of a process and its children, the best round of each side. Memory is the largest sum of PSS (memory in use, a page
shared by n processes counting 1/n to each) of a process and its children, in a round of its own without a clock.

Where no real WARC file is at hand the sample web is used: its pages are small and half of them are English, so its
ratios are not those asked for.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from fastwarc.warc import ArchiveIterator, WarcRecordType

from stages.formats.documents import read_documents
from stages.formats.kinds import KINDS
from stages.sample.config import SampleConfig
from stages.text.compiled.cache import cache_folder
from stages.text.rules.language import default_model
from tests.bench.compare import Comparison, one_core
from tests.stages.harness import run_stage, unit_folder

ROOT = Path(__file__).parents[2]
PAGES = ROOT.parent / "shared" / "data" / "web" / "pages.warc.gz"
STOCK = ("datatrove[processing,io]==0.10.1", "lxml_html_clean", "spacy", "isal")
"""The first forgets the second and third: trafilatura 1.11 cannot be imported without one, nor the rules run without
the other. The last makes its reader twice as fast."""
WARM_PAGES = 12
SAMPLE_S = 0.1
LIMIT_S = 1_800
"""Seconds after which a side is taken to hang."""
ENGLISH = ("en",)


@dataclass(frozen=True)
class Side:
    """One way of doing it."""

    name: str
    python: str
    script: tuple[str, ...]
    languages: tuple[str, ...] | None
    extractor: str = ""
    packages: str = ""
    """A folder of packages that go before those of the environment."""


@dataclass
class Result:
    """What one side needed."""

    cpu_s: float = float("inf")
    wall_s: float = float("inf")
    peak_mb: float = 0.0


def ours(extractor: str, languages: tuple[str, ...] | None) -> Side:
    """Return our side with one of the extractors."""
    named = f"{extractor}, {'all languages' if languages is None else ' '.join(languages)}"
    return Side(named, sys.executable, ("-m", "tests.bench.web_chain_ours"), languages, extractor)


def stock(python: str, languages: tuple[str, ...] | None, name: str, packages: str = "") -> Side:
    """Return datatrove's side."""
    return Side(name, python, (str(Path(__file__).with_name("web_chain_stock.py")),), languages, packages=packages)


def stock_python() -> str:
    """Return the Python of an environment with datatrove as its users get it, made on first use in the cache folder.

    datatrove asks for trafilatura < 1.12, we pin a later one, so it cannot be our own. Raises SystemExit if pip fails.
    """
    folder = cache_folder() / "bench" / "datatrove-0.10.1"
    python = str(folder / "bin" / "python")
    _once(folder, [sys.executable, "-m", "venv", str(folder)], [python, "-m", "pip", "install", "-q", *STOCK])
    return python


def our_trafilatura(python: str) -> str:
    """Return a folder with our trafilatura alone, for datatrove's environment, made on first use."""
    wanted = f"trafilatura=={version('trafilatura')}"
    folder = cache_folder() / "bench" / wanted.replace("==", "-")
    _once(folder, [python, "-m", "pip", "install", "-q", "--no-deps", "--target", str(folder), wanted])
    return str(folder)


def _once(folder: Path, *commands: list[str]) -> None:
    if (folder / "ready").exists():
        return
    print(f"making {folder} (a minute or two, once)", file=sys.stderr)
    for command in commands:
        if subprocess.run(command, check=False).returncode:
            raise SystemExit(f"the stock side could not be installed: {' '.join(command)} failed; its words are above")
    (folder / "ready").touch()


def run(side: Side, input_file: Path, warm: Path, out: Path, watch_memory: bool = False) -> Result:
    """Run one side once. Raises SystemExit with its last words if it fails."""
    order = {
        "input": str(input_file),
        "warm": str(warm),
        "languages": side.languages,
        "extractor": side.extractor,
        "model": str(default_model()),
        "out": str(out),
    }
    errors = out.with_name(f"{out.name}.stderr")
    child = subprocess.Popen(
        [side.python, *side.script],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors.open("wb"),
        env={**os.environ, "OMP_NUM_THREADS": "1", **({"PYTHONPATH": side.packages} if side.packages else {})},
    )
    assert child.stdin is not None
    peak = 0.0
    child.stdin.write(json.dumps(order).encode())
    child.stdin.close()
    child.stdin = None
    while watch_memory and child.poll() is None:
        peak = max(peak, family_mb(child.pid))
        time.sleep(SAMPLE_S)
    try:
        answer, _ = child.communicate(timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        child.kill()
        answer, _ = child.communicate()
    if child.returncode:
        raise SystemExit(f"{side.name} failed:\n{errors.read_text(errors='replace')[-3000:]}")
    return Result(**json.loads(answer), peak_mb=peak)


def family_mb(pid: int) -> float:
    """Return the sum of PSS of a process and its descendants, in MB; those that have just ended count nothing."""
    total = 0
    for process in [pid, *descendants(pid)]:
        try:
            lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total * 1024 / 1e6


def descendants(pid: int) -> Iterator[int]:
    """Yield the children of a process, theirs and so on."""
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        children = [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except OSError:
        return
    for child in children:
        yield child
        yield from descendants(child)


@contextmanager
def prepared(input_file: Path | None) -> Iterator[tuple[Path, Path, Path, int]]:
    """Yield the input, a file of a few of its pages, a folder for output, and the number of pages."""
    with tempfile.TemporaryDirectory(prefix="web-chain-") as name:
        folder = Path(name)
        if input_file is None:
            input_file = PAGES if PAGES.exists() else run_stage(SampleConfig(pages=1_200), {}, folder)["warc"][0].path
        starts = []
        with input_file.open("rb") as file:
            for record in ArchiveIterator(file, record_types=WarcRecordType.response, parse_http=False):
                starts.append(record.stream_pos)
        warm = folder / "warm.warc.gz"
        warm.write_bytes(input_file.read_bytes()[: starts[min(WARM_PAGES, len(starts) - 1)]])
        yield input_file, warm, folder, len(starts)


def comparisons(rounds: int, input_file: Path | None = None) -> list[Comparison]:
    """Return the rates with English wanted and with all languages, memory, and how far two tiers agree with one."""
    one_core()
    python = stock_python()
    base, base_all = stock(python, ENGLISH, "datatrove 0.10.1"), stock(python, None, "datatrove 0.10.1, all languages")
    newer = stock(python, ENGLISH, "datatrove 0.10.1 with our trafilatura", our_trafilatura(python))
    two, fast, two_all = ours("two-tier", ENGLISH), ours("resiliparse", ENGLISH), ours("two-tier", None)
    with prepared(input_file) as (source, warm, folder, pages):
        best = {side: Result() for side in (base, two, fast, newer, base_all, two_all)}
        for number in range(rounds):
            for side, result in best.items():
                found = run(side, source, warm, folder / f"{side.name} {number}")
                result.cpu_s, result.wall_s = min(result.cpu_s, found.cpu_s), min(result.wall_s, found.wall_s)
        memory = {side: run(side, source, warm, folder / f"{side.name} memory", True).peak_mb for side in (base, two)}
        full = ours("trafilatura", ENGLISH)
        run(full, source, warm, folder / full.name)
        same, wanted, got = agreement(folder / full.name, folder / f"{two.name} 0")

    def speed(name: str, side: Side, other: Side, asked: float) -> Comparison:
        walls = f"wall {best[side].wall_s:.1f} s against {best[other].wall_s:.1f} s"
        return Comparison(name, "pages", pages / best[side].cpu_s, pages / best[other].cpu_s, other.name, asked, walls)

    return [
        speed("chain, two-tier, en", two, base, 6),
        speed("chain, resiliparse, en", fast, base, 12),
        speed("chain, two-tier, all languages", two_all, base_all, 2.5),
        speed("chain, two-tier, en, trafilatura 2.3", two, newer, 1),
        Comparison(
            "memory, two-tier, en",
            "1/GB",
            1e3 / memory[two],
            1e3 / memory[base],
            base.name,
            2,
            f"{memory[two]:.0f} MB against {memory[base]:.0f} MB",
        ),
        Comparison(
            "documents of full trafilatura that two-tier has, same bytes",
            "share",
            same / max(1, wanted),
            1.0,
            "all of them",
            0.99,
            f"{same} of {wanted}; two-tier has {got}",
        ),
    ]


def agreement(full: Path, two_tier: Path) -> tuple[int, int, int]:
    """Return how many documents of the first output are in the second with the same text, and the size of both."""
    wanted, got = (
        {row["id"]: row["text"] for row in read_documents(unit_folder(out / "run", "filter", 0) / KINDS.documents.file)}
        for out in (full, two_tier)
    )
    return sum(got.get(name) == text for name, text in wanted.items()), len(wanted), len(got)
