"""Loads sounds of any origin as mono samples of one rate, and plans their frames; memory is bounded.

bytes -> header -> blocks -> mean of the channels -> one rate -> float32 from -1 to 1
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from stages.formats.chat.rejects import Reject

REASONS: Mapping[str, str] = MappingProxyType(
    {
        "empty_file": "no bytes",
        "too_many_bytes": "more bytes than `max_bytes`",
        "not_a_sound": "no format that is read",
        "too_many_channels": "more channels than `max_channels`",
        "too_long": "more seconds than `max_seconds`; nothing more was decoded",
        "no_samples": "a header without sound",
        "not_finite": "samples that are no numbers",
        "truncated": "the file ends before its sound does",
    }
)
"""Reasons for which a sound is not loaded."""
FORMATS = ("WAV", "WAVEX", "RF64", "FLAC", "MP3", "OGG")
RATE = 16_000
"""Samples a second of speech encoders."""
UNKNOWN_SIZE = 0xFFFFFFFF
"""Size in the header of a WAV file that was written to a pipe."""
OGG_END = 4
"""Flag of a stream's last page."""
BLOCK = 1 << 16
"""Samples of all channels together that are decoded at a time."""


@dataclass(frozen=True, kw_only=True)
class SoundBounds:
    """Most that a sound may have."""

    max_bytes: int = 256 << 20
    max_seconds: int = 3600
    max_channels: int = 16


SOUND_BOUNDS = SoundBounds()
Samples = NDArray[np.float32]


def load_sound(data: bytes, rate: int = RATE, bounds: SoundBounds = SOUND_BOUNDS) -> Samples:
    """Return the sound of WAV, FLAC, MP3 or OGG (Vorbis, Opus) as mono samples.

    Channels are mixed before the rate is changed. Raises Reject with one of REASONS.
    """
    if not data:
        raise Reject("empty_file")
    if len(data) > bounds.max_bytes:
        raise Reject("too_many_bytes", f"{len(data)} bytes, at most {bounds.max_bytes}")
    with _opened(data) as sound:
        mono, native = _mono(sound, bounds), sound.samplerate
    if not mono.size:
        raise Reject("no_samples")
    if not np.isfinite(mono).all():
        raise Reject("not_finite")
    return mono if native == rate else _resampled(mono, native, rate)


def _opened(data: bytes) -> soundfile.SoundFile:
    if _is_cut(data):
        raise Reject("truncated")
    try:
        return soundfile.SoundFile(io.BytesIO(data))
    except soundfile.LibsndfileError as error:
        raise Reject("not_a_sound", repr(data[:40])) from error


def _is_cut(data: bytes) -> bool:
    """Return whether a WAV or OGG file says that it is longer: libsndfile reads what is there, without an error."""
    if data.startswith(b"RIFF"):
        size = int.from_bytes(data[4:8], "little")
        return size != UNKNOWN_SIZE and size + 8 > len(data)
    if data.startswith(b"OggS"):
        page = data[data.rfind(b"OggS") :]
        return len(page) < 27 or not page[5] & OGG_END or len(page) < 27 + page[26] + sum(page[27 : 27 + page[26]])
    return False


def _mono(sound: soundfile.SoundFile, bounds: SoundBounds) -> Samples:
    """Return the mean of the channels. Reads no more than the bounds allow, whatever the header says."""
    if sound.format not in FORMATS:
        raise Reject("not_a_sound", sound.format)
    if sound.channels > bounds.max_channels:
        raise Reject("too_many_channels", f"{sound.channels}, at most {bounds.max_channels}")
    most = bounds.max_seconds * sound.samplerate
    pieces, count = [], 0
    while True:
        block = _block(sound)
        if not len(block):
            break
        count += len(block)
        if count > most:
            raise Reject("too_long", f"more than {bounds.max_seconds} s")
        pieces.append(block.mean(axis=1, dtype=np.float32))
    if 0 < count < sound.frames:
        raise Reject("truncated", f"{count} of {sound.frames} samples")
    return np.concatenate(pieces) if pieces else np.empty(0, np.float32)


def _block(sound: soundfile.SoundFile) -> Samples:
    try:
        block: Samples = sound.read(max(1, BLOCK // sound.channels), dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:  # the header was read
        raise Reject("truncated", str(error)) from error
    return block


def _resampled(mono: Samples, native: int, rate: int) -> Samples:
    """Return the sound at another rate, with ceil(samples * rate / native) samples."""
    wanted = -(-len(mono) * rate // native)
    found: Samples = soxr.resample(mono, native, rate, quality="HQ").astype(np.float32, copy=False)
    return np.pad(found[:wanted], (0, max(0, wanted - len(found))))
