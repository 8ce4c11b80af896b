"""Makes the Python environment before its first use, and prints its Python: `python3 envs launcher | stages | test`."""

import os
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parent.parent)  # of a folder that it runs, Python puts the path there

from envs.bootstrap import LEVELS, SetupError, ensure, find_python  # noqa: E402  (the line above finds it)


def main() -> int:
    """Make the level that the command line names; return the exit code."""
    level = sys.argv[1] if len(sys.argv) == 2 else ""
    if level not in LEVELS:
        print(f"usage: python3 envs {' | '.join(LEVELS)}", file=sys.stderr)
        return 2
    try:
        if sys.version_info < (3, 10):  # noqa: UP036  (this file must parse and run on 3.6, as bootstrap.py must)
            newer = find_python(level)
            os.execv(newer, [newer, str(Path(__file__).resolve().parent), level])
        print(ensure(level))
    except SetupError as error:
        print(f"envs: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
