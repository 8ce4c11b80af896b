"""Short pauses between attempts, and what tests of the teacher's methods share."""

from __future__ import annotations

import pytest

from stages.teacher import teacher


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teacher, "_FIRST_PAUSE_S", 0.01)
