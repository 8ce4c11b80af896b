"""The verb `logs` shows what was asked for of a log, and follows it as it grows."""

from __future__ import annotations

import io
import json
import threading
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from rich.console import Console

from jobs import logs
from jobs.logs import LogFilter, parse_since, print_log
from stages.shared.errors import ConfigError
from stages.shared.log import LogEntry, as_json, as_text
from tests.jobs.bench import until

NOON = datetime(2026, 11, 26, 12, 0, 0).astimezone()
ENTRIES = [
    LogEntry(NOON, "info", 0, "begun"),
    LogEntry(NOON + timedelta(minutes=5), "warning", 1, "slow [link=x]"),
    LogEntry(NOON + timedelta(minutes=5), "error", 1, "died\nTraceback:\n  File"),
    LogEntry(NOON + timedelta(minutes=9), "info", 0, "going on"),
]
TEXT = "srun: hello\n" + "".join(f"{as_text(entry)}\n" for entry in ENTRIES) + "Segmentation fault\n"


def shown(folder: Path, wanted: LogFilter, as_data: bool = False) -> list[str]:
    (folder / "a.log").write_text(TEXT, encoding="utf-8")
    text = io.StringIO()
    print_log(Console(file=text, width=40), folder / "a.log", wanted, as_data, follow=False)
    return text.getvalue().splitlines()


def test_without_conditions_a_log_is_shown_as_it_is(tmp_path: Path) -> None:
    assert shown(tmp_path, LogFilter()) == TEXT.splitlines()


@pytest.mark.parametrize(
    ("wanted", "count", "words"),
    [
        (LogFilter(level="info"), 6, "begun"),
        (LogFilter(level="warning"), 4, "Traceback"),
        (LogFilter(level="error"), 3, "  File"),
        (LogFilter(rank=0), 2, "going on"),
        (LogFilter(rank=1), 4, "slow"),
        (LogFilter(rank=7), 0, ""),
        (LogFilter(since=NOON + timedelta(minutes=6)), 2, "Segmentation fault"),
        (LogFilter(since=NOON + timedelta(minutes=6), level="info"), 1, "going on"),
        (LogFilter(rank=1, level="error"), 3, "died"),
    ],
)
def test_conditions_are_all_met(tmp_path: Path, wanted: LogFilter, count: int, words: str) -> None:
    lines = shown(tmp_path, wanted)
    assert len(lines) == count
    assert words in "\n".join(lines)


def test_a_job_of_one_rank_is_rank_0(tmp_path: Path) -> None:
    assert LogFilter(rank=0).passes(LogEntry(NOON, "info", None, "x"))
    assert not LogFilter(rank=1).passes(LogEntry(NOON, "info", None, "x"))


def test_as_data_every_entry_is_a_line(tmp_path: Path) -> None:
    records = [json.loads(line) for line in shown(tmp_path, LogFilter(), as_data=True)]
    assert [record["message"] for record in records] == [
        "srun: hello",
        *(e.message for e in ENTRIES),
        "Segmentation fault",
    ]
    assert records[2] == {
        "time": (NOON + timedelta(minutes=5)).isoformat(timespec="milliseconds"),
        "level": "warning",
        "rank": 1,
        "message": "slow [link=x]",
    }


def test_a_terminal_sees_levels_in_colour_and_no_markup_of_a_message(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text(TEXT + "foreign \x1b[2J\n", encoding="utf-8")
    text = io.StringIO()
    console = Console(file=text, width=40, force_terminal=True, color_system="standard")
    print_log(console, tmp_path / "a.log", LogFilter(), json=False, follow=False)
    assert "\x1b[33m" in text.getvalue()
    assert "slow [link=x]" in text.getvalue()
    assert "\x1b[2J" not in text.getvalue()


@pytest.mark.parametrize(("text", "seconds"), [("30s", 30), ("10m", 600), ("2h", 7200), ("1d", 86400)])
def test_a_time_that_is_past_is_written_with_its_unit(text: str, seconds: int) -> None:
    assert NOON - parse_since(text, NOON) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["10", "m", "-1m", "1.5h", "1w", "10 m"])
def test_another_form_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="such as 10m"):
        parse_since(text, NOON)


def test_a_log_is_followed_as_it_grows_in_either_form(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class EnoughError(Exception):
        pass

    monkeypatch.setattr(logs, "FOLLOW_S", 0.01)
    path, text = tmp_path / "a.log", io.StringIO()
    path.write_text(as_text(ENTRIES[0]) + "\n")
    ended = threading.Event()

    def sleep(seconds: float) -> None:
        if ended.wait(seconds):
            raise EnoughError

    monkeypatch.setattr("jobs.logs.time.sleep", sleep)

    def follow() -> None:
        with pytest.raises(EnoughError):
            print_log(Console(file=text), path, LogFilter(level="info"), json=False, follow=True)

    reader = threading.Thread(target=follow)
    reader.start()
    until(lambda: "begun" in text.getvalue(), "the first message is shown")
    with path.open("a") as file:
        file.write(as_json(ENTRIES[3]) + "\n")
    until(lambda: "going on" in text.getvalue(), "the second one is, too")
    ended.set()
    reader.join(timeout=10)
    assert len(text.getvalue().splitlines()) == 2
