"""Chinchilla's number of training tokens, for recipes that give none. Pure."""

from __future__ import annotations

import math
import re
from itertools import pairwise
from typing import Any

from stages.shared.errors import ConfigError

CHINCHILLA = (
    (0.4e9, 1.92e19),
    (1e9, 1.21e20),
    (10e9, 1.23e22),
    (67e9, 5.76e23),
    (175e9, 3.85e24),
    (280e9, 9.90e24),
    (520e9, 3.43e25),
    (1e12, 1.27e26),
    (10e12, 1.30e28),
)
"""Parameters and the operations for which they are the best choice: arXiv:2203.15556, table 3 (approach 1).

Its third column rounds 1.43 T tokens at 67 B parameters up to 1.5 T; the operations do not, and their 1.40 T at 65.3 B
is what LLaMA's largest model was trained on.
"""
UNITS = {"": 1, "k": 10**3, "M": 10**6, "B": 10**9, "G": 10**9, "T": 10**12}


def chinchilla_tokens(parameters: int) -> int:
    """Return the tokens after which a model of this size is the best that its training's operations could buy.

    The result has two significant digits: 65.3 B parameters give 1.4 T tokens.
    """
    return _two_digits(parameters * tokens_a_parameter(parameters))


def tokens_a_parameter(parameters: float) -> float:
    """Return Chinchilla's tokens for a parameter of a model of this size, from 20.0 to 21.7.

    Tokens are operations / (6 x parameters). They are interpolated between the table's rows, linearly in the logarithm
    of the size, and held constant beyond them.
    """
    ratios = [(math.log(size), operations / (6 * size * size)) for size, operations in CHINCHILLA]
    place = min(max(math.log(parameters), ratios[0][0]), ratios[-1][0])
    for (low, ratio), (high, next_ratio) in pairwise(ratios):
        if place <= high:
            share = (place - low) / (high - low)
            return ratio + share * (next_ratio - ratio)
    raise AssertionError(f"{parameters} parameters lie between no rows")


def _two_digits(number: float) -> int:
    unit: int = 10 ** max(0, math.floor(math.log10(number)) - 1)
    return round(number / unit) * unit


def parse_tokens(value: Any) -> Any:
    """Return the number of `1.4T`, `300B`, `20M` or `1.4e12`; anything that is no text is returned as it is.

    YAML reads 1.4e12, which lacks a sign, as text. Raises ConfigError for other words.
    """
    if not isinstance(value, str):
        return value
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?(?:[eE]\+?\d+)?)\s*([kMBGT]?)\s*", value)
    if not found:
        raise ConfigError("train_tokens", value, "a number of tokens, such as 1.4T, 300B or 20M")
    return round(float(found[1]) * UNITS[found[2]])
