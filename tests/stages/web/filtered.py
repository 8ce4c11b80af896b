"""A filtered crawl written by hand, and the steps after it, without what comes before."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from stages.formats.documents import DocumentWriter
from stages.formats.funnel import StepCount, write_funnel
from stages.formats.kinds import KINDS
from stages.formats.tables import Tables
from stages.shared.contract import ALL, SAME, After, InputFile, Step, parts
from stages.text.dedup.page_hashes import text_hash, url_hash
from stages.text.words.tokens import count_words
from stages.web.artifacts import PAGES, REMOVED, Artifact
from stages.web.config import WebConfig
from stages.web.page_numbers import number_pages
from tests.stages.harness import all_units, run_unit, unit_folder

Page = tuple[str, str]
"""URL and text."""


def write_filtered(folder: Path, units: Sequence[Sequence[Page]], languages: Mapping[str, str] | None = None) -> None:
    """Write what `extract` and `filter` would; `languages` are by URL, else `en`."""
    for place, pages in enumerate(units):
        extracted = unit_folder(folder, "extract", place)
        final = unit_folder(folder, "filter", place)
        for path in (extracted, final):
            path.mkdir(parents=True)
        rows, tables = [], Tables()
        with DocumentWriter(final / KINDS.documents.file) as writer:
            for number, (url, text) in enumerate(pages):
                language = (languages or {}).get(url, "en")
                row = {"id": f"{place}-{number}", "url": url, "text": text, "language": language, "language_score": 0.9}
                writer.write({**row, "source": "s", "dump": "d"})
                rows.append((url_hash(url), text_hash(text), count_words(text), 0.0))
                tables.read("site.example", language)
        PAGES.save(final, rows)
        tables.write(extracted / KINDS.tables.file)
        with DocumentWriter(final / KINDS.rejects.file) as writer:
            writer.write({"id": "x", "url": "http://x", "text": "x", "step": "quality", "reason": "short"})
        read = StepCount("read", pages_in=len(pages) + 1, pages_out=len(pages) + 1)
        quality = StepCount("quality", pages_in=len(pages) + 1, pages_out=len(pages), reasons={"short": 1})
        write_funnel(final / KINDS.funnel.file, [read, quality])


def write_removed(folder: Path, rows: Sequence[tuple[int, int, int]]) -> None:
    """Write what `cluster` would: removed page, page kept, whether the texts are equal."""
    final = unit_folder(folder, "cluster", 0)
    final.mkdir(parents=True)
    REMOVED.save(final, rows)
    number_pages({"filter": all_units(folder, "filter")}, final)


def run_step(
    config: WebConfig, folder: Path, name: str, units: int = 1, seen: Sequence[InputFile] = ()
) -> list[dict[str, Any]]:
    """Run all units of one of the stage's steps over what lies in the folder; return their summaries."""
    same = ("extract", "filter") if name == "documents" else ()
    there = [path.name for path in (folder / "steps").iterdir() if path.name != name]
    step = Step(
        name=name,
        run=f"stages.web.steps.{name}:run",
        units=parts(units),
        uses=(),
        reads=("seen",) if seen else (),
        after=tuple(After(earlier, SAME if earlier in same else ALL) for earlier in there),
    )
    return [run_unit(config, step, place, {"seen": tuple(seen)}, folder) for place in range(units)]


def array(folder: Path, artifact: Artifact, place: int = 0) -> np.ndarray:
    """Return an array that a step wrote."""
    return artifact.load(unit_folder(folder, artifact.step, place))
