"""Fixtures of the whole suite."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from envs.testbed import control


@pytest.fixture(scope="session")
def testbed() -> Iterator[dict[str, str]]:
    """Give the variables (SLURM_CONF) that reach a real four-node Slurm on this machine: envs/testbed.

    One that was up before the session stays up; else it goes down at the session's end.
    """
    with ExitStack() as stack:
        try:
            environment = stack.enter_context(control.borrow())
        except control.TestbedError as error:
            pytest.skip(f"no Slurm testbed here: {error}")
        yield environment
