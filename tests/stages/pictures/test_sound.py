"""Loading sounds: any usual format becomes mono samples of one rate, and what is no sound has a reason."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
import soundfile

from stages.formats.chat.rejects import Reject
from stages.pictures.sound import REASONS, SoundBounds, load_sound

KINDS = [
    ("WAV", "PCM_16"),
    ("WAV", "PCM_24"),
    ("WAV", "FLOAT"),
    ("WAV", "PCM_U8"),
    ("FLAC", None),
    ("MP3", None),
    ("OGG", "VORBIS"),
    ("OGG", "OPUS"),
]


def tone(rate: int, channels: int = 1, seconds: float = 1.0) -> Any:
    times = np.arange(int(rate * seconds)) / rate
    return np.stack([np.sin(2 * np.pi * 440 * times) / 2] * channels, axis=1)


def encoded(samples: Any, rate: int, format_: str = "WAV", subtype: str | None = None) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=format_, subtype=subtype)
    return file.getvalue()


@pytest.mark.parametrize(("format_", "subtype"), KINDS)
def test_a_second_of_stereo_at_48_khz_is_16000_samples_of_the_same_tone(format_: str, subtype: str | None) -> None:
    sound = load_sound(encoded(tone(48_000, 2), 48_000, format_, subtype))
    assert (sound.shape, sound.dtype) == ((16_000,), np.float32)
    assert np.abs(np.fft.rfft(sound)).argmax() == 440
    assert 0.45 < np.abs(sound).max() < 0.6


@pytest.mark.parametrize("rate", [8000, 11_025, 16_000, 22_050, 44_100])
def test_every_rate_keeps_the_length(rate: int) -> None:
    assert load_sound(encoded(tone(rate), rate)).shape == (16_000,)


def test_channels_are_mixed_before_the_rate_changes() -> None:
    opposite = tone(48_000) * np.array([[1, -1]])
    assert np.abs(load_sound(encoded(opposite, 48_000))).max() < 1e-3


@pytest.mark.parametrize(("format_", "subtype"), KINDS)
def test_a_file_that_is_cut_is_never_read_as_a_shorter_sound(format_: str, subtype: str | None) -> None:
    data = encoded(tone(48_000, 2), 48_000, format_, subtype)
    for cut in (len(data) // 2, len(data) - 100):
        with pytest.raises(Reject, match="truncated"):
            load_sound(data[:cut])


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty_file"),
        (b"<html>", "not_a_sound"),
        (bytes(5000), "not_a_sound"),
        (encoded(np.zeros((0, 1)), 16_000), "no_samples"),
        (encoded(np.full((9, 1), np.nan), 16_000, subtype="FLOAT"), "not_finite"),
        (encoded(np.zeros((99, 3)), 16_000), "too_many_channels"),
        (encoded(np.zeros((16_001, 1)), 8000), "too_long"),
        (encoded(np.zeros((60_000, 1)), 16_000), "too_many_bytes"),
    ],
)
def test_what_is_no_sound_has_its_reason(data: bytes, reason: str) -> None:
    with pytest.raises(Reject) as caught:
        load_sound(data, bounds=SoundBounds(max_seconds=2, max_channels=2, max_bytes=100_000))
    assert caught.value.reason == reason
    assert reason in REASONS


def test_silence_is_finite() -> None:
    assert (load_sound(encoded(np.zeros((8000, 1)), 8000)) == 0).all()
