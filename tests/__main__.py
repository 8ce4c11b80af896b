"""All checks that CI runs: `python -m tests`. Format, lint, types, layers, then every test, three at a time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
IMPORT_LINTER = "from importlinter.cli import lint_imports_command as main; main()"
CHECKS = {
    "format": ("-m", "ruff", "format", "--check", "."),
    "lint": ("-m", "ruff", "check", "."),
    "types": ("-m", "mypy"),
    "layers": ("-c", IMPORT_LINTER),
    # Three for two cores, divided as tests/conftest.py says: one of them is mostly waiting for Slurm.
    "tests": ("-m", "pytest", "--numprocesses=3", "--durations=15"),
}


def main() -> int:
    """Run every check to its end; return 1 if one failed."""
    failed = []
    for name, arguments in CHECKS.items():
        print(f"\n{name}", flush=True)
        if subprocess.run([sys.executable, *arguments], cwd=ROOT, check=False).returncode:
            failed.append(name)
    if failed:
        print(f"failed: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
