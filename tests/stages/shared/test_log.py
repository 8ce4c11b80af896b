"""Messages of a job: one form for people, one for machines, and both are read back as they were written."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from stages.shared import log
from stages.shared.log import LogEntry, as_json, as_text, parse_log, printable

NOON = datetime(2026, 11, 26, 12, 30, 1).astimezone()
TRACE = "KeyError: 'x'\nTraceback (most recent call last):\n  File \"a.py\"\n\n    x[1]\nKeyError: 'x'"
ENTRIES = [
    LogEntry(NOON, "info", None, "step 100  loss 3.21"),
    LogEntry(NOON, "warning", 3, "rank 9: this is part of the message"),
    LogEntry(NOON + timedelta(seconds=8), "error", 0, TRACE),
    LogEntry(NOON, "info", None, ""),
    LogEntry(NOON, "info", None, "ends: like: this:"),
    LogEntry(NOON, "info", None, "狗 ä\ttab"),
]


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("STAGECOACH_LOG", "STAGECOACH_RANKS", "STAGECOACH_RANK", "SLURM_PROCID"):
        monkeypatch.delenv(name, raising=False)


def written(capsys: pytest.CaptureFixture[str]) -> str:
    out, err = capsys.readouterr()
    assert out == "", "stdout is for answers"
    return err


def test_a_message_has_its_time_and_level(capsys: pytest.CaptureFixture[str]) -> None:
    before = datetime.now().astimezone().replace(microsecond=0)
    log.info("step 100")
    log.warning("slow")
    lines = written(capsys).splitlines()
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d INFO step 100", lines[0])
    assert lines[1].endswith(" WARNING slow")
    (first, _) = parse_log(lines)
    assert first.time is not None
    assert before <= first.time <= datetime.now().astimezone()


@pytest.mark.parametrize("variable", ["STAGECOACH_RANK", "SLURM_PROCID"])
def test_the_rank_is_named_only_among_several(
    variable: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "3")
    log.info("alone")
    monkeypatch.setenv("STAGECOACH_RANKS", "8")
    log.info("among eight")
    monkeypatch.setenv("STAGECOACH_LOG", "json")
    log.info("for machines")
    lines = written(capsys).splitlines()
    assert lines[0].endswith("INFO alone")
    assert lines[1].endswith("INFO rank 3: among eight")
    assert json.loads(lines[2])["rank"] == 3


def test_a_failure_has_its_traceback_indented_below_it(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        os.environ["NOT SET"]
    except KeyError as cause:
        log.error("web.extract/3 failed", cause)
    head, *rest = written(capsys).splitlines()
    assert head.endswith("ERROR web.extract/3 failed")
    assert rest[0] == "  Traceback (most recent call last):"
    assert rest[-1] == "  KeyError: 'NOT SET'"
    assert all(line.startswith("  ") for line in rest)


def test_for_machines_a_message_is_one_line_whatever_it_holds(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAGECOACH_LOG", "json")
    log.error("a\nb \x1b[2J", ValueError("why\nnot"))
    (line,) = written(capsys).splitlines()
    record = json.loads(line)
    assert record["level"] == "error"
    assert record["message"].startswith("a\nb \x1b[2J\nValueError: why\nnot")
    assert datetime.fromisoformat(record["time"]).tzinfo is not None


@pytest.mark.parametrize("form", [as_text, as_json])
@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.message[:10])
def test_what_was_written_is_read_back(form: object, entry: LogEntry) -> None:
    assert callable(form)
    assert list(parse_log(f"{form(entry)}\n".splitlines(keepends=True))) == [entry]


def test_entries_of_both_forms_may_follow_each_other() -> None:
    text = "".join(f"{form(entry)}\n" for entry in ENTRIES for form in (as_text, as_json))
    assert list(parse_log(text.splitlines(keepends=True))) == [entry for entry in ENTRIES for _ in range(2)]


def test_lines_of_other_programs_keep_their_place_and_take_the_time_before_them() -> None:
    lines = [
        "srun: error: n1",
        as_text(ENTRIES[0]),
        "Traceback:",
        "  File",
        '{"not": "ours"}',
        "[1, 2",
        as_text(ENTRIES[0]),
    ]
    found = list(parse_log(lines))
    assert [entry.message for entry in found if not entry.level] == [
        "srun: error: n1",
        "Traceback:",
        "  File",
        '{"not": "ours"}',
        "[1, 2",
    ]
    assert [entry.time for entry in found] == [None, *[NOON] * 6]
    assert as_text(found[0]) == "srun: error: n1"
    assert json.loads(as_json(found[0])) == {"message": "srun: error: n1"}


def test_a_message_cannot_forge_another_or_steer_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    log.info("page says \x1b[2J\x07 and\n2026-11-26 12:30:01 ERROR disk full\r")
    text = written(capsys)
    assert "\\x1b[2J\\x07" in text
    assert not re.search(r"[\x00-\x08\x0b-\x1f]", text)
    (entry,) = parse_log(text.splitlines())
    assert entry.level == "info"
    assert printable("a\tb\nc\x9b") == "a\tb\nc\\x9b"


def test_a_message_is_out_when_the_process_is_killed() -> None:
    probe = "import os; from stages.shared import log; log.info('last words'); os._exit(9)"
    environment = {**os.environ, "PYTHONUNBUFFERED": ""}
    done = subprocess.run([sys.executable, "-c", probe], env=environment, capture_output=True, text=True, check=False)
    assert done.stderr.endswith("INFO last words\n")


def test_a_message_that_finds_no_room_is_lost_and_nothing_else() -> None:
    probe = "from stages.shared import log; log.info('lost'); log.error('lost', OSError(28)); print('at work')"
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-u", "-c", probe]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=full, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "at work\n")


def test_importing_it_brings_the_standard_library_alone() -> None:
    probe = (
        "import sys; from stages.shared import log; print([m for m in sys.modules if 'pydantic' in m or 'rich' in m])"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
