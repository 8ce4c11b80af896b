"""Readings are read as they were written."""

from __future__ import annotations

from pathlib import Path

from stages.formats.readings import Reading, read_readings, write_readings


def test_readings_come_back(tmp_path: Path) -> None:
    found = [Reading("a 'source'", 1_000, 0.25, 2.5), Reading("维基", 3_000, 0.75, 12.0, asked=0.8, drawn=7)]
    write_readings(tmp_path / "readings.json", found)
    assert read_readings(tmp_path / "readings.json") == found
    assert (tmp_path / "readings.json").read_text().count("drawn") == 1, "what is not known is left out"
    assert [str(reading) for reading in found] == ["a 'source' 25.0%, read 2.50 times", "维基 75.0%, read 12 times"]
