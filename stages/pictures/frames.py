"""Plans the frames and positions of a sound from its number of samples, and the pieces of a long one. In integers."""

from __future__ import annotations

from dataclasses import dataclass

Piece = tuple[int, int]
"""First sample, and last sample + 1."""


@dataclass(frozen=True, kw_only=True)
class Hearing:
    """How a speech encoder divides samples: frames of a spectrogram, then features, then positions."""

    hop: int = 160
    """Samples from one frame to the next: 10 ms at 16 kHz."""
    halvings: int = 3
    """Times that the encoder halves the number of frames, rounded up each time (Conformer: three, to an eighth)."""
    stack: int = 1
    """Neighbouring features that the adapter stacks into one position; the last stack may be shorter."""
    max_samples: int = 30 * 16_000
    """Longest piece; a longer sound is cut into pieces of about equal length."""

    def __post_init__(self) -> None:
        if self.hop < 1 or self.halvings < 0 or self.stack < 1 or self.max_samples < self.hop:
            raise ValueError(f"{self}: hop and stack must be positive, and a piece must hold a frame")

    def frames(self, samples: int) -> int:
        """Return the valid frames of a piece; 0 for one shorter than a hop, which gives no position."""
        return samples // self.hop

    def positions(self, samples: int) -> int:
        """Return the positions of a piece."""
        features = self.frames(samples)
        for _ in range(self.halvings):
            features = -(-features // 2)
        return -(-features // self.stack)

    def pieces(self, samples: int) -> list[Piece]:
        """Return the pieces of a sound: whole frames each but the last, none longer than `max_samples`."""
        most = self.max_samples // self.hop
        frames = -(-samples // self.hop)
        count = -(-frames // most)
        cuts = [frames * number // count * self.hop for number in range(count)] if count else []
        return list(zip(cuts, [*cuts[1:], samples], strict=True)) if cuts else []
