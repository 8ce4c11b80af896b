"""Coverage of the light packages by their own tests, with a floor: `python -m tests.coverage`.

Code counts only where it runs in the process of pytest; most of the worker runs in processes of its own. This is not
part of `launch.py test`: tracing costs a third more CPU time on Python 3.11. It runs every night
(.github/workflows/nightly.yaml).
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("jobs", "stages/shared", "stages/formats")
TESTS = ("tests/jobs", "tests/stages/shared", "tests/stages/formats", "tests/test_launch.py")
FLOOR = 87
"""Percent of lines. Only raise it."""


def main() -> int:
    """Run the tests and print the lines that none of them reaches; return 1 below the floor."""
    tests = [*TESTS, *(str(path.relative_to(ROOT)) for path in sorted(ROOT.glob("tests/stages/*/test_config.py")))]
    command = [sys.executable, "-m", "pytest", "--numprocesses=2", *tests]
    command += [f"--cov={package}" for package in PACKAGES]
    command += ["--cov-report=term-missing:skip-covered", f"--cov-fail-under={FLOOR}"]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
