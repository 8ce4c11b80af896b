"""The mel front end: samples of 16 kHz become normalised log-mel frames, as NeMo's FilterbankFeatures makes them.

NeMo adds random noise of 1e-5 in training; this module never does, so that a sound has the same frames everywhere. A
sound's frames are computed alone: neighbours in a batch change nothing.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

# Shape suffixes: T = frames, M = mel bands, F = frequencies.

RATE, HOP, WINDOW, NFFT = 16_000, 160, 400, 512
"""Samples a second, from frame to frame, of a frame's window and of its Fourier transform."""
_EMPHASIS = 0.97
_FLOOR = 2.0**-24
"""Added to the power before the logarithm."""
_EPS = 1e-5
"""Added to a band's standard deviation."""
_KNEE_HZ, _KNEE_MEL, _HZ_A_MEL, _STEP = 1000.0, 15.0, 200.0 / 3, np.log(6.4) / 27
"""Slaney's scale: linear below the knee, logarithmic above it (Auditory Toolbox, 1998; librosa's default)."""


def frames(samples: NDArray[np.float32], num_mels: int) -> Tensor:
    """Return the valid frames of a sound, float32 [T, M] on the host: each band has mean 0 and deviation 1.

    T is samples // 160. A sound of less than 160 samples has none.
    """
    count = len(samples) // HOP
    if not count:
        return torch.empty(0, num_mels)
    wave = torch.from_numpy(np.ascontiguousarray(samples))
    wave = torch.cat([wave[:1], wave[1:] - _EMPHASIS * wave[:-1]])
    window = torch.hann_window(WINDOW, periodic=False)
    spectrum_FT = torch.stft(wave, NFFT, HOP, WINDOW, window, center=True, pad_mode="constant", return_complex=True)[
        :, :count
    ]
    power_FT = torch.view_as_real(spectrum_FT).pow(2).sum(-1)
    bands_TM = torch.log(filters(num_mels) @ power_FT + _FLOOR).t()
    centred_TM = bands_TM - bands_TM.mean(0)
    deviation_M = (centred_TM.pow(2).sum(0) / max(count - 1, 1)).sqrt()  # of one frame 0, where NeMo's becomes it
    return centred_TM / (deviation_M + _EPS)


@cache
def filters(num_mels: int) -> Tensor:
    """Return the triangles of the mel bands, [M, F], each of equal area (librosa's `mel` with norm `slaney`)."""
    edges = _hz(np.linspace(0.0, _mel(RATE / 2), num_mels + 2))
    frequencies_F = np.linspace(0.0, RATE / 2, NFFT // 2 + 1)
    rising = (frequencies_F - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - frequencies_F) / np.diff(edges)[1:, None]
    triangles_MF = np.maximum(0.0, np.minimum(rising, falling)) * (2.0 / (edges[2:] - edges[:-2]))[:, None]
    return torch.from_numpy(triangles_MF).float()


def _mel(hz: float) -> float:
    return float(_KNEE_MEL + np.log(hz / _KNEE_HZ) / _STEP)


def _hz(mels: NDArray[np.float64]) -> NDArray[np.float64]:
    above = _KNEE_HZ * np.exp(_STEP * (mels - _KNEE_MEL))
    return np.where(mels < _KNEE_MEL, _HZ_A_MEL * mels, above)
