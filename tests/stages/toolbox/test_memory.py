"""Memory of a search: it grows with the documents, and is not below what an index takes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from stages.shared.contract import InputFile
from stages.toolbox.memory import LIBRARIES_MB, MADE, TEXT, making_mb, searching_mb

_PROBE = """
from pathlib import Path
import stages.shared.files

def peak():  # of this process: ru_maxrss begins at the parent's
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1e3

passages = [" ".join(f"w{(place * 7919 + word * word) % 40_000}" for word in range(100)) for place in range(6000)]
start = peak()
from stages.toolbox.search import make_index
make_index(passages)
print(sum(map(len, passages)) / 1e6, peak() - start)
"""


def documents(*sizes: float) -> list[InputFile]:
    return [InputFile(Path(f"{place}.zst"), "web", mb=mb) for place, mb in enumerate(sizes)]


def test_memory_grows_with_the_documents_and_none_takes_none() -> None:
    assert making_mb([]) == searching_mb([]) == 0
    assert making_mb(documents(10, 20)) == LIBRARIES_MB + MADE * TEXT * 30
    assert searching_mb(documents(30)) < making_mb(documents(30))


def test_an_index_takes_about_what_is_planned() -> None:
    done = subprocess.run([sys.executable, "-c", _PROBE], capture_output=True, text=True, check=True)
    size, taken = map(float, done.stdout.split())
    assert taken == pytest.approx(making_mb(documents(size / TEXT)), rel=0.4)
