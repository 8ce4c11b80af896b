"""The terminal: the launcher's console, its log with the time of day, and the live table of a run."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.live import Live
from rich.text import Text

from jobs import show
from jobs.runs import Run
from jobs.submit.reconcile import States

console = Console(highlight=False, soft_wrap=False)


def log(message: str) -> None:
    """Print a message with the time of day."""
    console.print(Text.assemble((time.strftime("%H:%M:%S "), "dim"), message), soft_wrap=True)


@contextlib.contextmanager
def live_states(run: Run) -> Iterator[Callable[[States], None]]:
    """Give a function that shows states: a live table on a terminal, elsewhere one line for each job that gets done."""
    if not console.is_terminal:
        yield _Lines()
        return
    with Live(console=console, auto_refresh=False) as live:
        yield lambda states: live.update(show.status_view(run, states), refresh=True)
        live.update("", refresh=True)


class _Lines:
    """Logs each job once, when it is done."""

    def __init__(self) -> None:
        self._logged: set[str] = set()

    def __call__(self, states: States) -> None:
        for name, units in states.items():
            done = sum(state.state == "done" for state in units.values())
            if done == len(units) and name not in self._logged:
                self._logged.add(name)
                log(f"{name}: {done}/{len(units)} done")
