"""A sound and weights by formula, for numbers of NeMo's own classes that were written down (nemo_toolkit 3.0.0)."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn


def samples(count: int) -> NDArray[np.float32]:
    """Return two tones, of which one swells four times a second."""
    seconds = np.arange(count) / 16_000
    swelling = 0.2 * np.sin(2 * np.pi * 1330 * seconds + 0.5) * (seconds * 4 % 1)
    found: NDArray[np.float32] = (0.3 * np.sin(2 * np.pi * 220 * seconds) + swelling).astype(np.float32)
    return found


@torch.no_grad()
def set_weights(module: nn.Module) -> None:
    """Set all weights by formula. Side effect: changes the module."""
    for number, (name, weight) in enumerate(sorted(module.named_parameters())):
        places = 0.37 * torch.arange(weight.numel(), dtype=torch.float64) + number
        wave = torch.sin(places).view(weight.shape).float()
        if weight.dim() > 1:
            weight.copy_(wave * (2 / weight[0].numel()) ** 0.5)
        else:
            weight.copy_(1 + 0.1 * wave if name.endswith("weight") else 0.1 * wave)
