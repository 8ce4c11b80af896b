"""Errors and exit codes: how a stage tells the launcher what happened.

One class per person who must act. The worker turns each into its exit code; nothing else in the project exits.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Mapping
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

SHOWN_CHARS = 300
"""Most characters of a value that an error shows."""
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
        shown = repr(value)
        shown = shown if len(shown) <= SHOWN_CHARS else f"{shown[:SHOWN_CHARS]}..."
        super().__init__(f"{setting} = {shown}: must be {wanted}")
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


class JsonError(DataError, ValueError):
    """A file holds no JSON. Readers of a format catch it as a ValueError, and say which format they want."""


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


_SYSTEM: Mapping[int, tuple[str, str]] = {
    errno.ENOSPC: ("the disk is full", "Free some space, or use another folder"),
    errno.EDQUOT: ("the disk quota is used up", "Free some space, or use another folder"),
    errno.EFBIG: (
        "the file is larger than this file system or this user's limit allows",
        "Free some space, or use another folder",
    ),
    errno.EROFS: ("the file system is read-only", "Use a folder that can be written"),
    errno.EACCES: ("this user has no permission", "Ask its owner, or use another folder"),
    errno.EPERM: ("this user has no permission", "Ask its owner, or use another folder"),
    errno.ENOENT: ("there is no such file or folder", "Check the path"),
    errno.ENOTDIR: ("a part of this path is a file, not a folder", "Check the path"),
    errno.EISDIR: ("this is a folder, not a file", "Check the path"),
    errno.EEXIST: ("this exists already, as something else", "Move it away"),
    errno.ENAMETOOLONG: ("the name is too long for this file system", "Use a shorter one"),
    errno.ELOOP: ("a symbolic link stands where none is followed", "Remove the link"),
    errno.ESTALE: ("the network file system has lost this file", "Look at the mount, then try again"),
    errno.EIO: ("the disk failed to read or write", "Look at the file system, then try again"),
    errno.EMFILE: ("this process has too many open files", "Raise the limit: `ulimit -n 65536`"),
}


_UNKNOWN = ("", "Look at the path and its file system")


def remedy_of(error: BaseException) -> str:
    """Return what a user can do about an error of the operating system."""
    return _SYSTEM.get((isinstance(error, OSError) and error.errno) or 0, _UNKNOWN)[1]


def system_error(error: OSError) -> StagecoachError:
    """Return an error of the operating system as one sentence: the file, the problem, the remedy."""
    problem = _SYSTEM.get(error.errno or 0, _UNKNOWN)[0] or error.strerror or str(error)
    remedy = remedy_of(error)
    names = [name for name in (error.filename, error.filename2) if isinstance(name, (str, bytes))]
    if not names:
        return StagecoachError(f"{problem}. {remedy}")
    found = DataError(" and ".join(map(os.fsdecode, names)), problem, remedy)
    found.exit_code = EXIT_FAILED  # other than a wrong input, it may be gone when the same command runs again
    return found
