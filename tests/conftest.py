"""Fixtures of the whole suite."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from envs.testbed import control

HERE = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)  # before xdist looks for groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Say which tests one worker does one after the other: those on the testbed, and those of one part of the house.

    The testbed is one; and what a part's tests share (a session's fixture) is made once.
    """
    for item in items:
        part = "/".join(item.path.relative_to(HERE).parts[:2])
        on_testbed = "testbed" in getattr(item, "fixturenames", ())
        item.add_marker(pytest.mark.xdist_group("testbed" if on_testbed else part))


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
