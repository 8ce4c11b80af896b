import hashlib
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from datatrove.executor import LocalPipelineExecutor

from stages.formats.documents import read_documents
from stages.formats.funnel import merge, read_funnel
from stages.shared.contract import InputFile
from stages.shared.errors import DataError
from stages.text.blocks.documents_io import WriteDocuments
from stages.text.rules.filters import QualityFilter
from stages.text.rules.language import LanguageFilter
from stages.web.config import WebConfig
from stages.web.extract.block import Extraction
from stages.web.read.reader import WarcPages
from tests.stages.harness import run_stage, run_unit
from tests.stages.web.warcs import member

ROOT = Path(__file__).parents[3]


def digests(folder: Path) -> dict[str, str]:
    paths = [path for path in sorted((folder / "steps").rglob("*")) if path.is_file()]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def test_units_in_another_order_write_the_same_bytes(sample_run: Any, tmp_path: Path) -> None:
    inputs = {"inputs": sample_run.warcs}
    for step in sample_run.config.plan(inputs).steps:
        for place in reversed(range(len(step.units))):
            run_unit(sample_run.config, step, place, inputs, tmp_path)
    assert digests(tmp_path) == digests(sample_run.folder)


def test_a_unit_killed_while_it_extracts_and_run_again_writes_the_same_bytes(sample_run: Any, tmp_path: Path) -> None:
    warc = str(sample_run.warcs[0].path)
    script = (
        "import sys; from pathlib import Path; from tests.stages.harness import run_unit;"
        "from stages.shared.contract import InputFile; from stages.web.config import WebConfig;"
        "config = WebConfig(inputs='x', rejects_per_reason=10_000);"
        "inputs = {'inputs': (InputFile(Path(sys.argv[1]), sys.argv[2]),)};"
        "run_unit(config, config.plan(inputs).steps[0], 0, inputs, Path(sys.argv[3]))"
    )
    command = [sys.executable, "-c", script, warc, sample_run.warcs[0].source, str(tmp_path)]
    process = subprocess.Popen(
        command, cwd=ROOT, stderr=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    attempt = tmp_path / "attempts" / "extract" / "00000"
    deadline = time.monotonic() + 60
    while not list(attempt.glob("documents*")) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    left = attempt.rename(tmp_path / "left over by the kill")  # what the worker does with a dead attempt
    assert list(left.iterdir())
    inputs = {"inputs": sample_run.warcs[:1]}
    config = sample_run.config
    run_unit(config, config.plan(inputs).steps[0], 0, inputs, tmp_path)
    again, whole = digests(tmp_path), digests(sample_run.folder)
    assert again and all(whole[name] == digest for name, digest in again.items())


def test_grouping_files_into_units_does_not_change_the_documents(sample_run: Any, tmp_path: Path) -> None:
    config = sample_run.config.model_copy(update={"files_per_unit": 2})
    outputs = run_stage(config, {"inputs": sample_run.warcs}, tmp_path)
    rows = [row for file in outputs["documents"] for row in read_documents(file.path)]
    assert len(outputs["documents"]) == 2
    assert rows == sample_run.rows("documents")


def test_blocks_work_in_a_plain_datatrove_pipeline(sample_run: Any, tmp_path: Path) -> None:
    config = WebConfig(inputs="x")
    pipeline = [
        WarcPages(sample_run.warcs[:1]),
        Extraction(config.extraction),
        LanguageFilter(config.language),
        QualityFilter(config.quality),
        WriteDocuments(tmp_path / "documents.jsonl.zst"),
    ]
    LocalPipelineExecutor(pipeline, logging_dir=str(tmp_path / "logs")).run()
    assert len(list(read_documents(tmp_path / "documents.jsonl.zst"))) > 100


def test_an_input_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.warc\.gz: not a file"):
        run_stage(WebConfig(inputs="x"), {"inputs": (InputFile(tmp_path / "none.warc.gz", "d"),)}, tmp_path)


def test_files_without_any_page_give_empty_documents_and_a_full_count(tmp_path: Path) -> None:
    """A unit of empty files alone fails: test_page_kinds.py."""
    (tmp_path / "empty.warc.gz").write_bytes(b"")
    (tmp_path / "bad.warc.gz").write_bytes(member(b"%PDF-1.4"))
    files = (("empty", "a"), ("bad", "a"), ("bad", "b"))
    inputs = tuple(InputFile(tmp_path / f"{name}.warc.gz", dump) for name, dump in files)
    outputs = run_stage(WebConfig(inputs="x", files_per_unit=2), {"inputs": inputs}, tmp_path)
    funnel = merge(read_funnel(file.path) for file in outputs["funnel"])
    assert funnel[0].reasons == {"unreadable_file": 1, "not_html": 2}
    assert [list(read_documents(file.path)) for file in outputs["documents"]] == [[], []]


def test_every_dirty_file_goes_through_the_whole_stage(real_pages: Path, tmp_path: Path) -> None:
    paths = sorted((real_pages / "dirty").glob("*.warc.gz"))
    inputs = tuple(InputFile(path, "dirty") for path in paths)
    config = WebConfig(inputs="x", files_per_unit=4, language={"languages": None})
    outputs = run_stage(config, {"inputs": inputs}, tmp_path)
    funnel = merge(read_funnel(file.path) for file in outputs["funnel"])
    reasons = {"no_url": 1, "not_html": 1, "truncated_record": 1, "damaged_record": 1, "too_large": 1}
    assert funnel[0].pages_in == 6 * 11 + 10
    assert funnel[0].reasons == reasons
    (dedup,) = (step for step in funnel if step.name == "dedup")
    assert dedup.reasons["exact_duplicate"] > 20, "the files hold the same pages"


def test_real_pages_of_many_languages_go_through_the_whole_stage(real_pages: Path, tmp_path: Path) -> None:
    inputs = (InputFile(real_pages / "pages.warc.gz", "real"),)
    config = WebConfig(inputs="x", language={"languages": None}, dedup={"preset": "fineweb"})
    start = time.monotonic()
    outputs = run_stage(config, {"inputs": inputs}, tmp_path)
    print(f"607 real pages in {time.monotonic() - start:.1f} s")
    funnel = read_funnel(outputs["funnel"][0].path)
    assert funnel[0].pages_in == funnel[0].pages_out == 607
    assert 500 < funnel[-1].pages_out < 560
    languages = Counter(row["language"] for row in read_documents(outputs["documents"][0].path))
    assert languages["en"] > 100 and languages["de"] > 100
