"""The terminal: the launcher's console, its log with the time of day, and the live table of a run."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

from rich.console import Console, ConsoleOptions, RenderableType
from rich.live import Live
from rich.segment import Segment
from rich.text import Text

from jobs import show
from jobs.runs import Run
from jobs.submit.reconcile import States
from stages.shared.log import printable


class PlainConsole(Console):
    """A console on which a text can show itself and nothing else: control characters in it are printed as escapes.

    Names, reasons and settings come from files that others may have written.
    """

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        """Yield the segments of what is printed; only Rich's own may steer the terminal."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=printable(segment.text))


console = PlainConsole(highlight=False, soft_wrap=False)
errors = PlainConsole(highlight=False, soft_wrap=False, stderr=True)


def log(message: str) -> None:
    """Print a message with the time of day."""
    console.print(Text.assemble((time.strftime("%H:%M:%S "), "dim"), message), soft_wrap=True)


def warn(message: str) -> None:
    """Print a message on stderr: stdout may be read by a program."""
    errors.print(message, soft_wrap=True)


def confirm(question: str) -> bool:
    """Return whether the person at the terminal agrees; False where there is none."""
    return sys.stdin.isatty() and console.input(f"{question} [y/N] ").strip().lower() in ("y", "yes")


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
