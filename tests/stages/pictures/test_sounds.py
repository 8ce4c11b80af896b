"""Sounds by key: samples of one rate, as many as their rows say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from stages.formats.sounds.collections import Sounds, SoundsWriter
from stages.pictures.sounds import SoundShelf
from stages.shared.errors import DataError
from tests.stages.speech.train.world import LENGTHS, sound, write_sounds


def test_a_sound_of_any_rate_has_the_samples_that_its_row_promises(tmp_path: Path) -> None:
    keys = write_sounds(tmp_path / "sounds", len(LENGTHS))
    shelf = SoundShelf([tmp_path / "sounds"])
    for key, (count, rate) in zip(keys, LENGTHS, strict=True):
        assert shelf.size(key) == len(shelf.load(key)) == count * 16_000 // rate
    with pytest.raises(KeyError):
        shelf.size("0" * 32)
    with pytest.raises(DataError, match=r"lacks 1 of the sounds.*Give all collections of these sounds in `sounds`"):
        shelf.require([*keys, "0" * 32])
    shelf.close()


def test_a_sound_that_is_not_what_its_row_says_is_named(tmp_path: Path) -> None:
    made = sound(300.0, (2400, 16_000), 1)
    with SoundsWriter(tmp_path / "longer") as writer:
        writer.add(replace(made, samples=3000))
    with pytest.raises(DataError, match=f"{made.key}.*2,400 samples of 16 kHz, and its row says 3,000"):
        SoundShelf([tmp_path / "longer"]).load(made.key)
    with SoundsWriter(tmp_path / "shorter") as writer:
        writer.add(replace(made, samples=100, rate=1000))
    with Sounds(tmp_path / "shorter") as kept:
        assert len(kept) == 1
    with pytest.raises(DataError, match=f"{made.key}"):
        SoundShelf([tmp_path / "shorter"]).load(made.key)
