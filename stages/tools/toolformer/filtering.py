"""Toolformer's arithmetic: where a call may stand, and whether its result helps (arXiv:2302.04761, section 2).

The loss from position i on is L(z) = - sum over t of w_t log p(x_{i+t} | z, x_{<i+t}), w_t = max(0, 1 - t/5) / 3. z
stands before the text, not within it: the model has seen no calls yet, and one within a text would disturb it.

The weights are normalised over all t. Where fewer tokens are left they sum to less than 1, and are not stretched: the
paper's sum is over all t, and a call near the end gains less.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

REACH = 5
"""Tokens that a loss looks at."""
_SHARES = [Fraction(REACH - place, REACH) for place in range(REACH)]
WEIGHTS = tuple(float(share / sum(_SHARES)) for share in _SHARES)
"""Of the first tokens from a position on, in order: 1/3, 4/15, 1/5, 2/15, 1/15."""


@dataclass(frozen=True, kw_only=True)
class Losses:
    """Weighted losses of the text from a position on, in nats."""

    plain: float
    """Without a call: L(empty)."""
    bare: float
    """With the call, without its result: L(e(c))."""
    full: float
    """With the call and its result: L(e(c, r))."""

    @property
    def gain(self) -> float:
        """The smaller loss without a result less the loss with it. A call is kept if it is at least tau_f."""
        return min(self.plain, self.bare) - self.full


def weighted_loss(logprobs: Sequence[float]) -> float:
    """Return the loss of the next tokens, given their log probabilities in order."""
    return -sum(weight * logprob for weight, logprob in zip(WEIGHTS, logprobs, strict=False))


def positions(probabilities: Sequence[float], threshold: float, most: int) -> list[int]:
    """Return the places at which a call is likeliest, in order: at most `most`, each above the threshold.

    `probabilities` are those of the call's first token at each place. Of equal ones the first are taken.
    """
    likely = [place for place, probability in enumerate(probabilities) if probability > threshold]
    return sorted(sorted(likely, key=lambda place: -probabilities[place])[:most])
