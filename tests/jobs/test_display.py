"""The terminal: what is printed as a run gets on, on a terminal and elsewhere."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from jobs import display
from jobs.display import live_states, log
from jobs.submit.reconcile import DONE, MISSING
from tests.jobs import made
from tests.jobs.made import a_run, unit

RUNNING = {"a.x": {unit("a.x", 0): DONE, unit("a.x", 1): MISSING}}
FINISHED = {"a.x": {unit("a.x", 0): DONE, unit("a.x", 1): DONE}}
GRAPH = made.graph(made.job("a.x", 2))


def screen(monkeypatch: pytest.MonkeyPatch, is_terminal: bool) -> io.StringIO:
    text = io.StringIO()
    monkeypatch.setattr(display, "console", Console(file=text, force_terminal=is_terminal, width=80, highlight=False))
    return text


def test_a_message_has_the_time_of_day_and_is_not_read_as_markup(monkeypatch: pytest.MonkeyPatch) -> None:
    text = screen(monkeypatch, is_terminal=False)
    log("array [bold]7[/bold] " + "x" * 100)
    assert re.fullmatch(r"\d\d:\d\d:\d\d array \[bold\]7\[/bold\] x{100}\n", text.getvalue())


def test_without_a_terminal_each_job_is_one_line_when_it_is_done(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    text = screen(monkeypatch, is_terminal=False)
    with live_states(a_run(tmp_path, GRAPH)) as show:
        for states in (RUNNING, FINISHED, FINISHED):
            show(states)
    assert [line.partition(" ")[2] for line in text.getvalue().splitlines()] == ["a.x: 2/2 done"]


def test_on_a_terminal_the_table_follows_the_states(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    text = screen(monkeypatch, is_terminal=True)
    with live_states(a_run(tmp_path, GRAPH)) as show:
        show(RUNNING)
        show(FINISHED)
    assert "1/2" in text.getvalue()
    assert text.getvalue().index("1/2") < text.getvalue().index("2/2")
