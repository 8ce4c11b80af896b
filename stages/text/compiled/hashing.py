"""Hashes of 64-bit numbers and rolling hashes, compiled.

A rolling hash is a polynomial in GOLDEN modulo 2**64: an item joins as `hashed * GOLDEN + value`, and the item that is
n places back leaves as `- power(n) * value`.
"""

from __future__ import annotations

import numpy as np

from stages.text.compiled.kernels import kernel

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
"""2**64 divided by the golden ratio: odd, without a pattern in its bits."""
SPREAD = np.uint64(0xD6E8FEB86659FD93)
"""Odd multiplier of a cheap hash."""


@kernel
def mix(value: np.uint64) -> np.uint64:
    """Return splitmix64's finisher of a number: a bijection in which every bit depends on every other."""
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


@kernel
def hash_character(code: np.uint32) -> np.uint64:
    """Return the hash of a code point that enters a rolling hash."""
    value = np.uint64(code + 1) * SPREAD
    return value ^ (value >> np.uint64(32))


@kernel
def power(exponent: int) -> np.uint64:
    """Return GOLDEN to a power."""
    found = np.uint64(1)
    for _ in range(exponent):
        found *= GOLDEN
    return found
