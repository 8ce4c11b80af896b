"""datatrove's stock chain, as its examples/process_common_crawl_dump.py has it: one side of web_chain.py.

Runs in an environment of datatrove's own (its trafilatura is 1.11), so it imports nothing of this repository. Reads one
JSON object from stdin, writes one to stdout.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from datatrove.executor.local import LocalPipelineExecutor
from datatrove.pipeline.extractors import Trafilatura
from datatrove.pipeline.filters import GopherQualityFilter, GopherRepetitionFilter, LanguageFilter, URLFilter
from datatrove.pipeline.readers import WarcReader
from datatrove.pipeline.writers.jsonl import JsonlWriter
from datatrove.utils import lid
from datatrove.utils.logging import logger

TIMEOUT_S = 30
"""datatrove's default of one second would lose pages to the noise of the machine."""


def cpu_seconds() -> float:
    """Return the processor time of this process and of its children that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def run(input_file: str, languages: list[str] | None, url_filter: URLFilter, out: Path) -> None:
    """Run the chain over one file."""
    path = Path(input_file)
    pipeline = [
        WarcReader(str(path.parent), glob_pattern=path.name, default_metadata={"dump": "bench"}),
        url_filter,
        Trafilatura(favour_precision=True, timeout=TIMEOUT_S),
        LanguageFilter(languages=languages),
        GopherRepetitionFilter(),
        GopherQualityFilter(),
        JsonlWriter(str(out / "documents")),
    ]
    LocalPipelineExecutor(pipeline, logging_dir=str(out / "logs")).run()


def main(order: dict[str, Any]) -> dict[str, Any]:
    """Warm up on `warm`, then run `input` with the clock on."""
    logger.remove()
    lid.FT176LID.MODEL_URL = order["model"]
    url_filter = URLFilter()  # kept, so that its list is loaded once, outside of the clock
    out = Path(order["out"])
    run(order["warm"], order["languages"], url_filter, out / "warm")
    cpu, wall = cpu_seconds(), time.perf_counter()
    run(order["input"], order["languages"], url_filter, out / "run")
    return {"cpu_s": cpu_seconds() - cpu, "wall_s": time.perf_counter() - wall}


if __name__ == "__main__":
    answers, sys.stdout = sys.stdout, sys.stderr
    json.dump(main(json.load(sys.stdin)), answers)
