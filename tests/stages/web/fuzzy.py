"""Filtered units written by hand and the steps that find their near-duplicates, without the rest of the stage."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from stages.formats.documents import DocumentWriter
from stages.formats.kinds import KINDS
from stages.shared.contract import ALL, SAME, After, InputFile, Step, parts
from stages.text.dedup.page_hashes import text_hash, url_hash
from stages.text.words.tokens import count_words
from stages.web.artifacts import KEPT, PAGES, REMOVED
from stages.web.config import WebConfig
from tests.stages.harness import all_units, run_unit, unit_folder

WORDS = np.array([f"w{number}" for number in range(50_000)])


def write_filtered(folder: Path, units: Sequence[Sequence[str]], strain: Mapping[str, float] | None = None) -> None:
    """Write what `filter` would: documents and pages. A text's address is its own; `strain` is by text."""
    for place, texts in enumerate(units):
        final = unit_folder(folder, "filter", place)
        final.mkdir(parents=True)
        rows = []
        with DocumentWriter(final / KINDS.documents.file) as writer:
            for number, text in enumerate(texts):
                url = f"http://site{place}.example/{number}"
                row = {"id": f"{place}-{number}", "url": url, "text": text, "language": "en", "language_score": 1.0}
                writer.write({**row, "source": "", "dump": ""})
                rows.append((url_hash(url), text_hash(text), count_words(text), (strain or {}).get(text, 0.0)))
        PAGES.save(final, rows)


def find_duplicates(
    folder: Path, dedup: Mapping[str, Any], dumps: Sequence[str] = (), seen: Sequence[Path] = ()
) -> np.ndarray:
    """Run signatures, buckets and cluster; return `removed.npy`. `dumps` are the units' dumps, one file each."""
    config = WebConfig(inputs="x", dedup=dict(dedup))
    units = len(all_units(folder, "filter"))
    inputs = {
        "inputs": tuple(InputFile(Path(f"{number}.warc.gz"), dump) for number, dump in enumerate(dumps)),
        "seen": tuple(InputFile(path, "index") for path in seen),
    }
    for name, count, after in (
        ("signatures", units, ("filter",)),
        ("buckets", config.dedup.bucket_units, ("signatures",)),
        ("cluster", 1, ("filter", "buckets")),
    ):
        run_all(config, folder, name, count, after, inputs)
    return REMOVED.load(unit_folder(folder, "cluster", 0))


def run_all(
    config: WebConfig, folder: Path, name: str, units: int, after: tuple[str, ...], inputs: Mapping[str, Any]
) -> None:
    step = Step(
        name=name,
        run=f"stages.web.steps.{name}:run",
        units=parts(units),
        uses=(),
        reads=tuple(inputs),
        after=tuple(After(earlier, SAME if name == "signatures" else ALL) for earlier in after),
    )
    for place in range(units):
        run_unit(config, step, place, inputs, folder)


def write_index(folder: Path, dedup: Mapping[str, Any], removed: np.ndarray) -> Path:
    """Keep all pages but the removed ones, as `documents` would, and run `index`; return its file."""
    gone, start = set(removed[:, 0].tolist()), 0
    for place, final in enumerate(all_units(folder, "filter")):
        count = len(PAGES.load(final))
        kept = [place for place in range(count) if start + place not in gone]
        target = unit_folder(folder, "documents", place)
        target.mkdir(parents=True)
        KEPT.save(target, np.array(kept, dtype=np.uint32))
        start += count
    config = WebConfig(inputs="x", dedup=dict(dedup))
    after = ("filter", "documents", *(("signatures",) if config.dedup.enabled else ()))
    run_all(config, folder, "index", 1, after, {})
    return unit_folder(folder, "index", 0) / KINDS.index.file


def random_text(random: np.random.Generator, words: int) -> list[str]:
    return WORDS[random.integers(0, len(WORDS), words)].tolist()


def edited(random: np.random.Generator, words: Sequence[str], changes: int) -> list[str]:
    """Return the words with so many of them, far apart, replaced by new ones."""
    result = list(words)
    for place in (np.linspace(0, len(words) - 1, changes + 2)[1:-1]).astype(int).tolist():
        result[place] = f"new{random.integers(0, 2**40)}"
    return result
