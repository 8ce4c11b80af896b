"""Fuzzy duplicates: signatures beside datatrove's, and how signatures, buckets and cluster grow.

python -m tests.bench.web_signatures [--rounds 3] [--check]
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from datatrove.data import Document
from datatrove.pipeline.base import PipelineStep
from datatrove.pipeline.dedup import MinhashDedupSignature
from datatrove.pipeline.dedup.minhash import MinhashConfig
from datatrove.utils.logging import logger
from fastwarc.warc import ArchiveIterator, WarcRecordType

from stages.formats.documents import DocumentWriter
from stages.formats.kinds import KINDS
from stages.shared.contract import SAME, WHOLE, After, Step
from stages.text.dedup.block import Signatures, make_method
from stages.text.dedup.disk_arrays import ColumnsWriter
from stages.web.artifacts import BANDS, EDGES, PAGE, PAGES
from stages.web.config import WebConfig
from stages.web.extract.resiliparse_text import main_text
from tests.bench.compare import Comparison, alternate, one_core, table, verdict
from tests.stages.harness import run_unit, unit_folder

ROOT = Path(__file__).parents[2]
PAGES_FILE = ROOT.parent / "shared" / "data" / "web" / "pages.warc.gz"
FEW = 60
"""Pages for what datatrove does at a dozen a second."""
UNIT = 250_000
"""Pages of one unit of `filter`, as `cluster` reads them."""
SIZES = {"signatures": 4_000, "buckets": 250_000, "cluster": 250_000}
"""Pages at 1x; beside it 4x and 16x."""
SCALES = (1, 4, 16)
GROWTH = (("signatures", 4_000), ("buckets", 1_000), ("buckets", 64), ("cluster", 4_000))
"""Steps, and the memory they may use in MB; 64 MB hold a sixth of the pages at 16x."""
STEPS = {
    "signatures": (After("filter", SAME),),
    "buckets": (After("signatures"),),
    "cluster": (After("filter"), After("buckets")),
}


def texts() -> list[str]:
    """Return the main texts of real pages where there are some, else made ones of the same length."""
    if not PAGES_FILE.exists():
        return made_texts(600, 900)
    with PAGES_FILE.open("rb") as file:
        bodies = [record.reader.read() for record in ArchiveIterator(file, record_types=WarcRecordType.response)]
    found = (main_text(body.decode("utf-8", "replace")) for body in bodies)
    return [text for text in found if len(text) > 200]


def made_texts(count: int, words: int, seed: int = 1) -> list[str]:
    """Return texts of random words, the frequent ones short."""
    draw = np.random.default_rng(seed)
    ranks = np.minimum(draw.zipf(1.2, (count, words)), 200_000)
    return [" ".join(f"{'word'[: 1 + rank % 4]}{rank}" for rank in row) for row in ranks.tolist()]


def comparisons(rounds: int) -> list[Comparison]:
    """Return signatures a second beside datatrove's with as many buckets and hashes, words and files included."""
    logger.remove()
    all_texts = texts()
    found = []
    for name, dedup, count, asked in (
        ("MinHash 14 x 8", {"preset": "fineweb"}, len(all_texts), 30.0),
        ("MinHash 450 x 20", {"preset": "refinedweb"}, FEW, 100.0),
    ):
        settings = WebConfig(inputs="x", dedup=dedup).dedup
        buckets, hashes = settings.shape
        ours = _sign(lambda folder, s=settings: Signatures(folder / BANDS, make_method(s)), all_texts)
        theirs = _sign(
            lambda folder, b=buckets, h=hashes: MinhashDedupSignature(
                str(folder), MinhashConfig(num_buckets=b, hashes_per_bucket=h)
            ),
            all_texts[:count],
        )
        rates = alternate(ours, theirs, rounds)
        found.append(
            Comparison(name, "pages", *rates, "datatrove", asked, f"{_mean(all_texts):,.0f} characters a page")
        )
    simhash = WebConfig(inputs="x", dedup={"method": "simhash"}).dedup
    ours = _sign(lambda folder: Signatures(folder / BANDS, make_method(simhash)), all_texts)
    rate, minhash = alternate(ours, theirs, rounds)
    found.append(Comparison("SimHash", "pages", rate, minhash, "its MinHash 450 x 20", 100.0))
    return found


def _sign(make: Callable[[Path], PipelineStep], pages: Sequence[str]) -> Callable[[], float]:
    documents = [Document(text=text, id=str(number)) for number, text in enumerate(pages)]

    def work(chosen: Sequence[Document] = documents) -> float:
        with tempfile.TemporaryDirectory() as folder:
            for _ in make(Path(folder)).run(iter(chosen)) or ():
                pass
        return len(chosen)

    work(documents[:5])  # compile, load tokenizers
    return work


def _mean(pages: Sequence[str]) -> float:
    return sum(map(len, pages)) / len(pages)


def growth(step: str, memory_mb: int) -> list[dict[str, float]]:
    """Return for 1x, 4x and 16x of a step, each in a process of its own: pages, pairs, core-seconds, MB of memory."""
    rows = []
    for scale in SCALES:
        command = [sys.executable, "-m", "tests.bench.web_signatures", "--measure", step]
        command += [str(SIZES[step] * scale), str(memory_mb)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, check=True)
        rows.append(json.loads(done.stdout.splitlines()[-1]))
    return rows


def measure(step: str, num_pages: int, memory_mb: int) -> dict[str, float]:
    """Return what one element of a step takes in this process, after a small one that loads what is compiled."""
    with tempfile.TemporaryDirectory() as small, tempfile.TemporaryDirectory() as large:
        _prepare(step, Path(small), 500)
        _run_step(step, Path(small), memory_mb)
        _prepare(step, Path(large), num_pages)
        before, start = _forget_peak(), time.process_time()
        summary = _run_step(step, Path(large), memory_mb)
        pairs = summary.get("pairs", _count_pairs(Path(large)) if step == "cluster" else 0)
        seconds = time.process_time() - start
    return {"pages": num_pages, "pairs": pairs, "seconds": seconds, "mb": _peak_mb(), "before_mb": before}


def _run_step(step: str, folder: Path, memory_mb: int) -> Mapping[str, Any]:
    plan = Step(name=step, run=f"stages.web.steps.{step}:run", units=WHOLE, uses=(), after=STEPS[step])
    return run_unit(WebConfig(inputs="x", dedup={"preset": "fineweb", "memory_mb": memory_mb}), plan, 0, {}, folder)


def _count_pairs(folder: Path) -> int:
    return len(np.load(unit_folder(folder, "buckets", 0) / EDGES, mmap_mode="r"))


def _prepare(step: str, folder: Path, num_pages: int) -> None:
    """Write what comes before a step: texts, or signatures of which most have some like them, or their pairs."""
    for after in STEPS[step]:
        unit_folder(folder, after.step, 0).mkdir(parents=True)
    filtered = unit_folder(folder, "filter", 0)
    if step == "signatures":
        with DocumentWriter(filtered / KINDS.documents.file) as writer:
            for start in range(0, num_pages, 500):
                for text in made_texts(500, 300, seed=start):
                    writer.write({"id": str(writer.count), "text": text, **_NOTHING})
        return
    if step == "buckets":
        with ColumnsWriter(unit_folder(folder, "signatures", 0) / BANDS, 14) as writer:
            for column in _alike(num_pages):
                writer.add(column)
        return
    for place, start in enumerate(range(0, num_pages, UNIT)):
        unit_folder(folder, "filter", place).mkdir(parents=True, exist_ok=True)
        pages = np.zeros(min(UNIT, num_pages - start), PAGE)
        PAGES.save(unit_folder(folder, "filter", place), pages)
    draw = np.random.default_rng(num_pages)
    pairs = np.sort(draw.integers(0, num_pages, (num_pages, 2), dtype=np.uint64), axis=1)
    np.save(unit_folder(folder, "buckets", 0) / EDGES, pairs[np.lexsort(pairs.T[::-1])])


_NOTHING = {"url": "", "language": "", "language_score": 0.0, "source": "", "dump": ""}


def _alike(num_pages: int) -> Iterator[Any]:
    """Yield signatures: a page belongs to one of so many families, and has four of five hashes from it."""
    draw = np.random.default_rng(num_pages)
    families = draw.integers(0, num_pages * 4 // 5, num_pages)
    for family in families.tolist():
        own = draw.integers(0, 2**64, 14, dtype=np.uint64)
        common = (np.arange(1, 15, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)) * np.uint64(2 * family + 1)
        yield np.where(draw.random(14) < 0.8, common ^ (common >> np.uint64(29)), own)


def _forget_peak() -> float:
    """Return the memory this process has now, and count the peak from here (proc(5), clear_refs)."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")
    return _peak_mb()


def _peak_mb() -> float:
    """Return the most memory this process had; ru_maxrss would be the parent's, if that had more."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1e3


def show(step: str, memory_mb: int, rows: Sequence[Mapping[str, float]]) -> str:
    """Return a table of a step's growth."""
    name = f"{step}, {memory_mb} MB" if step == "buckets" else step
    lines = [f"{name:>16}  {'pages':>9}  {'pairs':>9}  {'core-s':>7}  {'us a page':>9}  {'MB':>5}  {'MB before':>9}"]
    for row in rows:
        each = 1e6 * row["seconds"] / row["pages"]
        lines.append(
            f"{'':>16}  {row['pages']:9,.0f}  {row['pairs']:9,.0f}  {row['seconds']:7.2f}  {each:9.2f}  "
            f"{row['mb']:5.0f}  {row['before_mb']:9.0f}"
        )
    return "\n".join(lines)


def is_linear(rows: Sequence[Mapping[str, float]]) -> bool:
    """Return whether a page takes at most 15 % more time at 16x than at 1x."""
    each = [row["seconds"] / row["pages"] for row in rows]
    return each[-1] <= 1.15 * each[0]


def main() -> int:
    """Print the tables; with --check, return 1 if less is reached than was asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--measure", nargs=3, metavar=("STEP", "PAGES", "MB"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    one_core()
    if options.measure:
        print(json.dumps(measure(options.measure[0], *map(int, options.measure[1:]))))
        return 0
    found = comparisons(options.rounds)
    print(table(found))
    linear = True
    for step, memory_mb in GROWTH:
        rows = growth(step, memory_mb)
        print(f"\n{show(step, memory_mb, rows)}")
        linear &= step == "cluster" or memory_mb < 1_000 or is_linear(rows)
    is_reached, line = verdict(found)
    print("", f"signatures and buckets linear within 15 %: {'yes' if linear else 'no'}", line, sep="\n")
    return int(options.check and not (is_reached and linear))


if __name__ == "__main__":
    sys.exit(main())
