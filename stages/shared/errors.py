"""Errors and exit codes: how a stage tells the launcher what happened.

One class per person who must act. The worker turns each into its exit code; nothing else in the project exits.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Any

EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_BAD_NODE = 77
"""This node is bad: run the element again somewhere else."""
EXIT_CHECKPOINTED = 85
"""State is saved and consistent: requeue me."""
EXIT_NEVER = 93
"""The input or the recipe is wrong: running again cannot help."""

STRONGEST_FIRST = (EXIT_BAD_NODE, EXIT_CHECKPOINTED, EXIT_NEVER, EXIT_FAILED, EXIT_DONE)
"""Order of exit codes: a code that leaves units untried comes first, since a failed unit fails again next time."""


def strongest(codes: Iterable[int]) -> int:
    """Return the exit code of an element whose units, or lanes, ended with these codes."""
    found = set(codes)
    return next((code for code in STRONGEST_FIRST if code in found), max(found, default=EXIT_DONE))


class StagecoachError(Exception):
    """An error a user can act on. Printed as one line, without a traceback."""

    exit_code = EXIT_FAILED


class ConfigError(StagecoachError):
    """A setting is wrong. Names it, its value and what it must be: `steps = 0: must be at least 1`."""

    exit_code = EXIT_NEVER

    def __init__(self, setting: str, value: Any, wanted: str) -> None:
        super().__init__(f"{setting} = {value!r}: must be {wanted}")
        self.setting, self.value, self.wanted = setting, value, wanted

    def within(self, section: str) -> ConfigError:
        """Return this error with its setting named from the top of the recipe, as the user writes it."""
        return ConfigError(f"{section}.{self.setting}", self.value, self.wanted)


class DataError(StagecoachError):
    """A file or record is wrong: names the file, the record, what was wanted and the remedy."""

    exit_code = EXIT_NEVER

    def __init__(self, path: Path | str, problem: str, remedy: str, record: str | int | None = None) -> None:
        where = f"{path}" if record is None else f"{path}:{record}"
        super().__init__(f"{where}: {problem}. {remedy}")


class ClusterError(StagecoachError):
    """The cluster refused or did not answer; carries its own words."""


class NodeError(StagecoachError):
    """This node cannot do the work (bad device, full scratch disk)."""

    exit_code = EXIT_BAD_NODE


class LeaseLost(StagecoachError):  # noqa: N818  (an outcome, not an error)
    """A successor has taken over this unit: stop without writing."""

    exit_code = EXIT_NEVER


class Checkpointed(Exception):  # noqa: N818  (an outcome, not an error)
    """Raised by a stage that was asked to stop and has saved its state."""


def nearest(name: str, known: list[str]) -> str:
    """Return "'close' (did you mean it?)" style text: the nearest known name, else all of them."""
    near = get_close_matches(name, known, n=1, cutoff=0.5)
    return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(sorted(known))}"
