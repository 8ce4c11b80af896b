"""The launcher's own name, and its commands as a user types them. Parses on Python 3.6: launch.py reads it first."""

import os
import shlex
import sys
from pathlib import Path

PROGRAM = "stagecoach" if sys.argv[0].endswith("/stagecoach") else "launch.py"
LAUNCH = Path(__file__).resolve().parents[1] / "launch.py"


def program() -> "list[str]":
    """Return the words that start the launcher from the working directory."""
    if PROGRAM == "stagecoach":
        return [PROGRAM]
    return ["python3", PROGRAM if Path(os.path.realpath(PROGRAM)) == LAUNCH else str(LAUNCH)]


def command(*words: str) -> str:
    """Return a command of the launcher, quoted for a shell."""
    return " ".join(map(shlex.quote, [*program(), *words]))
