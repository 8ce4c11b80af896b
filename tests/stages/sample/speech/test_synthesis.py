"""The synthesiser: the same samples each time, formants where the phones have them, pitch and speed of the voice."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from stages.sample.speech import synthesis
from stages.sample.speech.synthesis import RATE, VOICES, Voice, spoken

PLAIN = Voice("plain", 100, 1.0, 0.0)


def spectrum(samples: NDArray[np.int16]) -> NDArray[np.float64]:
    """Return the power of each hertz."""
    return np.abs(np.fft.rfft(samples.astype(float), RATE)) ** 2


def power(samples: NDArray[np.int16], low: int, high: int) -> float:
    return float(spectrum(samples)[low:high].sum())


def phone(name: str, monkeypatch: pytest.MonkeyPatch, voice: Voice = PLAIN) -> NDArray[np.int16]:
    """Return the middle of a sentence of one long phone."""
    monkeypatch.setattr(synthesis, "phones_of", lambda word: (name,) * 6)
    samples = spoken("x", voice, 1.0, 0.0)
    return samples[len(samples) // 3 : len(samples) * 2 // 3]


def test_a_sentence_repeats_and_its_noise_is_drawn_by_name() -> None:
    first, again, other = (spoken("The fox is red.", VOICES[0], 1.0, 0.02, name) for name in (1, 1, 2))
    assert (first == again).all()
    assert len(first) == len(other) and (first != other).any()
    assert first.dtype == np.int16 and 5_000 < np.abs(first).max() < 32_768


@pytest.mark.parametrize(
    ("name", "strong", "weak"),
    [
        ("IY", (2100, 2500), (800, 1600)),
        ("UW", (700, 1050), (1700, 2600)),
        ("AA", (600, 850), (200, 450)),
        ("S", (4500, 6800), (200, 2500)),
        ("SH", (2200, 4000), (5500, 7500)),
    ],
)
def test_a_phone_is_loud_where_its_formants_and_its_hiss_are(
    name: str, strong: tuple[int, int], weak: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = phone(name, monkeypatch)
    assert power(samples, *strong) > 3 * power(samples, *weak)


def test_voices_have_their_pitch_and_formants_grow_with_a_small_head(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = phone("AA", monkeypatch).astype(float)
    echo = np.correlate(samples, samples, "full")[len(samples) :]
    assert 140 <= int(echo[100:260].argmax()) + 101 <= 200  # pitch falls from 100 to 80 Hz: 160 to 200 samples
    small = phone("IY", monkeypatch, Voice("small", 100, 1.2, 0.0))
    assert power(small, 2550, 2900) > power(phone("IY", monkeypatch), 2550, 2900)


def test_fast_speech_is_shorter_and_silent_at_both_ends() -> None:
    slow, fast = (spoken("People saw two red herons.", PLAIN, speed, 0.0) for speed in (0.9, 1.2))
    assert 1.2 < len(slow) / len(fast) < 1.45
    assert np.abs(slow[:600]).max() < 600 and np.abs(slow[-600:]).max() < 600


def test_a_question_rises_at_its_end_and_held_out_voices_differ_from_all_others() -> None:
    assert synthesis._melody(100, True)[-1] > synthesis._melody(100, True)[79] > synthesis._melody(100, False)[-1]
    assert len({(voice.pitch, voice.size) for voice in VOICES}) == len(VOICES)
