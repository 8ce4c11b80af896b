"""A unit of any source: counts that add up, labels, and a kill at any place that leaves the same bytes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from stages.curated.wikipedia.config import WikipediaConfig
from tests.stages.curated.sources import run
from tests.stages.curated.wikipedia.dumps import HEAD, TAIL, page

ROOT = Path(__file__).parents[4]
SLOW = """
import sys
from pathlib import Path
from stages.curated.wikipedia.config import WikipediaConfig
from tests.stages.curated.sources import run
run(WikipediaConfig(files="x"), Path(sys.argv[1]), Path(sys.argv[2]))
"""


def write(path: Path, count: int) -> Path:
    text = "Ein ''Satz'' über [[Dinge]] und mehr. " * 20
    path.write_text(HEAD + "".join(page(number, f"S{number}", text) for number in range(count)) + TAIL)
    return path


def test_short_items_are_dropped_and_those_without_a_language_are_labelled(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    path.write_text(
        HEAD.replace(' xml:lang="de"', "") + page(1, "London", "The city is large and old, and many people live in it.")
        + page(2, "A", "b") + TAIL
    )  # fmt: skip
    found = run(WikipediaConfig(files="x", min_chars=20), tmp_path, path)
    assert found.reasons == {"too_short": 1}
    (document,) = found.documents
    assert document["language"] == "en" and document["language_score"] > 0.5


def test_a_unit_that_was_killed_midway_ends_with_the_same_bytes(tmp_path: Path) -> None:
    path = write(tmp_path / "dewiki.xml", 6_000)
    killed = tmp_path / "killed"
    child = subprocess.Popen(
        [sys.executable, "-c", SLOW, str(killed), str(path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.DEVNULL,
    )
    while not list(killed.rglob("documents.jsonl.zst")) and child.poll() is None:
        time.sleep(0.02)
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL, "the unit ended before it was killed"
    for left in (killed / "run" / "attempts").rglob("*"):  # the worker makes a new folder for each attempt
        if left.is_file():
            left.unlink()
    for folder in sorted((killed / "run" / "attempts").rglob("*"), reverse=True):
        folder.rmdir()
    again = run(WikipediaConfig(files="x"), killed, path)
    fresh = run(WikipediaConfig(files="x"), tmp_path / "fresh", path)
    assert [each.read_bytes() for each in again.files] == [each.read_bytes() for each in fresh.files]
