"""A law is read as it was written."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.formats.telemetry.scaling import Point, Prediction, ScalingLaw, read_law, write_law
from stages.shared.errors import DataError

POINT = Point(name="small", parameters=1e6, tokens=1e8, loss=4.0)
LAW = ScalingLaw(
    points=(POINT,),
    factor=40.0,
    exponent=-0.05,
    low=-0.06,
    high=-0.04,
    predictions=(Prediction(point=POINT, low=3.9, high=4.1),),
    largest=Prediction(point=POINT, low=3.0, high=3.9),
    kind="heldout",
)


def test_what_is_written_is_read_and_what_is_damaged_is_named(tmp_path: Path) -> None:
    write_law(tmp_path / "law", LAW)
    assert read_law(tmp_path / "law") == LAW
    (tmp_path / "law").write_text('{"points": []}')
    with pytest.raises(DataError, match="law: no scaling law"):
        read_law(tmp_path / "law")
