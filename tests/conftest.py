"""Fixtures of the whole suite."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

from envs.testbed import control

HERE = Path(__file__).parent
_TRAINING = Path("tests/stages/train")
# The Python of the tests has the pins. `launch.main` must not switch to the environment in .venv, in a test's process.
os.environ["STAGECOACH_ENV"] = "none"
# The tests have no network. Hugging Face's libraries read this when they are imported, and wait for it otherwise.
os.environ.update(HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1")
# Thousands of processes start here. Container images forbid Python to keep what it compiles; each would compile again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


class ByPart(LoadScopeScheduling):
    """Gives a worker whole parts of the house, in which a session's fixtures are shared, and to one all of Slurm's.

    Training's tests take minutes file by file: each file is a part.

    The testbed is one; and others, which its own tests start, may want its ports if they start at the same moment.
    What takes minutes comes first, so that no worker is left with it when the others have nothing more to do.
    """

    def _split_scope(self, nodeid: str) -> str:
        path = Path(nodeid.partition("::")[0])
        return "testbed" if _uses_testbed(path) else "/".join(path.parts[: 5 if path.is_relative_to(_TRAINING) else 3])

    def _assign_work_unit(self, node: WorkerController) -> None:
        longest = min(self.workqueue, key=_rank)
        self.workqueue.move_to_end(longest, last=False)
        super()._assign_work_unit(node)


def _rank(part: str) -> int:
    first = ("testbed", "tests/journeys/", str(_TRAINING))
    return next((place for place, start in enumerate(first) if part.startswith(start)), len(first))


@lru_cache
def _uses_testbed(path: Path) -> bool:
    return "testbed" in (HERE.parent / path).read_text(encoding="utf-8")


@pytest.hookimpl
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByPart:
    """Say how xdist divides the tests; its own `loadgroup` knows no groups under this version of pytest."""
    return ByPart(config, log)


@pytest.fixture(autouse=True)
def umask() -> Iterator[None]:
    """Give each test the same umask: a verb that is called in a test's process sets it."""
    before = os.umask(0o022)
    yield
    os.umask(before)


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
