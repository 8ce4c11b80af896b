"""Phones: no two are alike, and none is shorter than a frame or beyond what a rate of 16 kHz holds."""

from __future__ import annotations

from itertools import combinations

from stages.sample.speech.phones import PHONES


def test_no_two_phones_are_alike() -> None:
    assert all(PHONES[first] != PHONES[second] for first, second in combinations(PHONES, 2))


def test_every_piece_can_be_heard() -> None:
    for name, pieces in PHONES.items():
        assert all(piece.ms >= 15 and max(*piece.formants, piece.hiss_hz) < 7_500 for piece in pieces)
        assert max(piece.voice + piece.hiss for piece in pieces) > 0.1, name
