from pathlib import Path

import pytest

from stages.formats.chat.mixtures import DrawnCell, Mixture, TaskState, read_mixture, write_mixture
from stages.shared.errors import DataError

CELL = DrawnCell(mixture="m", task="t", style="zero_plain", examples=9, rate=5, share=1.0, drawn=7)
TASK = TaskState(state="used", rows=9, examples=9, rejects={"blank_target": 1})


def test_a_mixture_is_read_as_it_was_written(tmp_path: Path) -> None:
    mixture = Mixture(draws=7, cells=(CELL,), tasks={"t": TASK})
    write_mixture(tmp_path / "mixture.json", mixture)
    assert read_mixture(tmp_path / "mixture.json") == mixture


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"draws": 1, "cells": [{}], "tasks": {}}'])
def test_a_file_that_holds_none_is_named(text: str, tmp_path: Path) -> None:
    (tmp_path / "mixture.json").write_text(text)
    with pytest.raises(DataError, match=r"mixture.json: not a mixture"):
        read_mixture(tmp_path / "mixture.json")
