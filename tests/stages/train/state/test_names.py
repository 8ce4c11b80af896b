"""Names of checkpoints."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.train.state.names import holds_state, step_name, step_of


def test_a_name_and_its_step_belong_together() -> None:
    assert step_name(200) == "step-0000200"
    assert step_of(Path("anywhere") / step_name(12_345_678)) == 12_345_678


@pytest.mark.parametrize("name", ["final", "best", "untrained", "step-", "step-by-step", ".step-0000200.tmp"])
def test_other_folders_hold_no_state_to_continue_from(name: str) -> None:
    assert holds_state(Path("step-0000200"))
    assert not holds_state(Path(name))
