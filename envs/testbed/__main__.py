"""Command line of the testbed: `python3 envs/testbed up | down | status`."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[2])  # run as a folder, Python puts that folder there

from envs.testbed import control  # noqa: E402  (the line above finds it)


def main() -> int:
    """Run the verb on the command line; return the exit code."""
    parser = argparse.ArgumentParser(prog="python3 envs/testbed", description="A real four-node Slurm on this machine.")
    parser.add_argument("verb", choices=["up", "down", "status"])
    verb = parser.parse_args().verb
    try:
        return {"up": _up, "down": _down, "status": _status}[verb]()
    except control.TestbedError as error:
        print(f"testbed: {error}", file=sys.stderr)
        return 1


def _up() -> int:
    began = time.monotonic()
    environment = control.up(keep=True)
    print(f"The testbed is up: four nodes are ready ({time.monotonic() - began:.1f} s). To use it in this shell:")
    for name, value in environment.items():
        print(f"export {name}={value}")
    return 0


def _down() -> int:
    print("The testbed is down." if control.down() else "The testbed was down already.")
    return 0


def _status() -> int:
    print(control.status())
    return 0 if control.is_up() else 1


if __name__ == "__main__":
    sys.exit(main())
