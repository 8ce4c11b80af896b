import subprocess
import sys
import time
from pathlib import Path

import pytest

from stages.formats.attempts import (
    END,
    START,
    AttemptName,
    EndRecord,
    ProgressRecord,
    ResultRecord,
    StartRecord,
    TroubleRecord,
    read_attempts,
    write_record,
)
from stages.shared.errors import DataError

ROOT = Path(__file__).parents[3]
NAME = AttemptName("web.extract", "0002-19218c97", 3, 1)
RECORDS = (
    StartRecord(fingerprint="f0", units=("a/00.warc", "b~2"), slurm_id="7_3", node="n1", nodes="n[1-2]", pid=12,
                process="boot:12:9", started=5.5),
    ProgressRecord(progress=17),
    ResultRecord(exit_code=1, failed={"b~2": "broken member"}, signal="SIGTERM"),
    TroubleRecord(exit_code=77, reason="rank 3: no device", node="n2"),
    EndRecord(ended=9.5, exit_code=1, verdict="failed", reason="broken member", progress=17),
)  # fmt: skip


def start(folder: Path, job: str, element: int, started: float) -> None:
    write_record(folder, AttemptName(job, "k", element, 0), StartRecord(fingerprint="", units=("u",), started=started))


def test_every_record_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    for record in RECORDS:
        write_record(tmp_path, NAME, record)
    (attempt,) = read_attempts(tmp_path)
    assert attempt.name == NAME
    assert (attempt.start, attempt.progress, attempt.result, attempt.trouble, attempt.end) == (
        RECORDS[0], 17, RECORDS[2], RECORDS[3], RECORDS[4],
    )  # fmt: skip
    assert NAME.path(tmp_path, END) == tmp_path / "web.extract" / "0002-19218c97.3.1.end.json"


def test_attempts_come_in_order_of_start(tmp_path: Path) -> None:
    start(tmp_path, "b", 0, 1.0)
    start(tmp_path, "a", 0, 2.0)
    start(tmp_path, "b", 10, 2.0)
    start(tmp_path, "b", 2, 2.0)
    found = [(attempt.name.job, attempt.name.element) for attempt in read_attempts(tmp_path)]
    assert found == [("b", 0), ("a", 0), ("b", 2), ("b", 10)]
    assert [attempt.name.job for attempt in read_attempts(tmp_path, ["a", "never started"])] == ["a"]


def test_an_attempt_that_ended_before_its_worker_began_starts_at_its_end(tmp_path: Path) -> None:
    write_record(tmp_path, NAME, RECORDS[4])
    (attempt,) = read_attempts(tmp_path)
    assert (attempt.start, attempt.progress, attempt.started) == (None, -1, 9.5)


def test_only_what_is_asked_for_is_opened(tmp_path: Path) -> None:
    start(tmp_path, "a", 0, 1.0)
    start(tmp_path, "a", 1, 2.0)
    AttemptName("a", "k", 0, 0).path(tmp_path, END).write_text("not JSON")
    AttemptName("a", "k", 1, 0).path(tmp_path, START).write_text("not JSON")
    (attempt,) = read_attempts(tmp_path, records=(START,), wanted=lambda name: name.element == 0)
    assert (attempt.name.element, attempt.started, attempt.end) == (0, 1.0, None)


def test_files_that_are_no_records_are_passed_over(tmp_path: Path) -> None:
    start(tmp_path, "a", 0, 1.0)
    for name in (".k.1.0.start.json.123.tmp", "k.1.0.start.json~", "k.x.0.start.json", "notes.txt"):
        (tmp_path / "a" / name).write_text("not JSON")
    assert len(read_attempts(tmp_path)) == 1
    assert read_attempts(tmp_path / "nowhere") == []


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"units": 3, "fingerprint": "", "started": 1}', '{"units": null}'])
def test_a_damaged_record_is_named(tmp_path: Path, text: str) -> None:
    start(tmp_path, "a", 0, 1.0)
    AttemptName("a", "k", 0, 0).path(tmp_path, START).write_text(text)
    with pytest.raises(DataError, match=r"k\.0\.0\.start\.json: not a start record of an attempt"):
        read_attempts(tmp_path)


def test_tens_of_thousands_of_names_are_looked_through_in_a_moment(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for element in range(30_000):
        (tmp_path / "a" / f"k.{element}.0.start.json").touch()
    start(tmp_path, "a", 7, 1.0)
    began = time.perf_counter()
    assert len(read_attempts(tmp_path, wanted=lambda name: name.element == 7)) == 1
    assert time.perf_counter() - began < 2.0


def test_reading_the_ledger_needs_the_standard_library_alone() -> None:
    probe = "import sys, stages.formats.attempts; sys.exit(bool({'pydantic', 'numpy', 'zstandard'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", probe], cwd=ROOT, check=False).returncode == 0
