"""Each source's share of a training, and how often it is read. Pure and light: `plan` uses it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from stages.formats.readings import Reading
from stages.shared.errors import ConfigError
from stages.shared.numbers import short
from stages.train.mixing.settings import MixingSettings

WORTHWHILE = 4
"""Readings of a text until new text would teach clearly more (arXiv:2305.16264, section 5)."""

SHOWN = 8
"""Sources that a line names."""
Shares = dict[str, float]
"""By source, together 1."""


@dataclass(frozen=True)
class Phase:
    """A part of a training with one mixture."""

    part: float
    """Share of the training's sequences."""
    asked: Shares
    shares: Shares
    """`asked`, with what limits of epochs took from some sources and gave to the others."""


def phases(
    tokens: Mapping[str, float], mixture: Mapping[str, float] | None, mixing: MixingSettings | None, wanted: float
) -> list[Phase]:
    """Return the phases of a training of `wanted` tokens, in order, given the tokens of each source.

    Raises ConfigError if the sources have too few tokens for mixing.max_epochs.
    """
    mixing = mixing or MixingSettings()
    asked = [_asked(tokens, mixture, mixing)]
    parts = [1.0]
    if mixing.last is not None:
        last = {source: mixing.last.mixture.get(source, 0.0) for source in tokens}
        asked.append(_normal(last))
        parts = [1 - mixing.last.share, mixing.last.share]
    room = {source: (mixing.max_epochs or float("inf")) * held / wanted for source, held in tokens.items()}
    found = []
    for part, shares in reversed([*zip(parts, asked, strict=True)]):  # the end has the first call on a scarce source
        limited = _limited(shares, {source: left / part for source, left in room.items()}, mixing.max_epochs)
        room = {source: max(0.0, left - part * limited[source]) for source, left in room.items()}
        found.append(Phase(part, shares, limited))
    return found[::-1]


def _asked(tokens: Mapping[str, float], mixture: Mapping[str, float] | None, mixing: MixingSettings) -> Shares:
    if mixture is None:
        return _normal({source: held ** (1 / mixing.temperature) for source, held in tokens.items()})
    sizes = dict.fromkeys(tokens, 1.0) if mixing.weights == "shares" else mixing.sizes or tokens
    return _normal({source: mixture.get(source, 0.0) * sizes.get(source, 0.0) for source in tokens})


def _normal(weights: Mapping[str, float]) -> Shares:
    whole = sum(weights.values())
    return {source: weight / whole for source, weight in weights.items()}


def _limited(shares: Shares, room: Mapping[str, float], max_epochs: float | None) -> Shares:
    """Return shares, none above its room: the rest goes to the others, in proportion to their shares."""
    full: Shares = {}
    while over := [name for name, share in _rest(shares, full).items() if share > room[name] * (1 + 1e-12)]:
        full |= {name: room[name] for name in over}
        if len(full) == sum(share > 0 for share in shares.values()):
            wanted = "more, or fewer training tokens, or more text: all sources together are read that often"
            raise ConfigError("mixing.max_epochs", max_epochs, wanted)
    return {**shares, **_rest(shares, full), **full}


def _rest(shares: Shares, full: Shares) -> Shares:
    left = {name: share for name, share in shares.items() if name not in full}
    scale = (1 - sum(full.values())) / (sum(left.values()) or 1.0)
    return {name: share * scale for name, share in left.items()}


def readings(
    tokens: Mapping[str, float],
    mixture: Mapping[str, float] | None,
    wanted: float,
    mixing: MixingSettings | None = None,
) -> list[Reading]:
    """Return what a training of `wanted` tokens takes from each source, given the tokens of each.

    Shares are proportional to the mixture's weights; without one to the tokens, so that all are read equally often.
    `mixing` changes both. Raises ConfigError as `phases`.
    """
    found = phases(tokens, mixture, mixing, wanted)

    def whole(source: str, *, is_asked: bool) -> float:
        return sum(phase.part * (phase.asked if is_asked else phase.shares)[source] for phase in found)

    return [
        Reading(
            source,
            held,
            (share := whole(source, is_asked=False)),
            wanted * share / held,
            asked=whole(source, is_asked=True),
        )
        for source, held in tokens.items()
    ]


def warning(found: list[Reading]) -> str:
    """Return a warning about sources that run out or are read too often; "" if none does."""
    often = ", ".join(
        f"{each.source} {each.epochs:,.1f} times"
        for each in sorted(found, key=lambda each: -each.epochs)
        if each.epochs > WORTHWHILE
    )
    out = ", ".join(
        f"{each.source} after {each.epochs:.3g} times, {each.share:.2%} of the sequences, not {each.asked:.2%}"
        for each in found
        if each.asked is not None and each.share < each.asked * (1 - 1e-9)
    )
    return "; ".join(
        filter(
            None,
            (
                out and f"runs out by mixing.max_epochs: {out}; the others fill in",
                often and f"{often}: beyond {WORTHWHILE} the same text teaches less than new one (arXiv:2305.16264)",
            ),
        )
    )


def costs(found: list[Reading], hours: float) -> str:
    """Return which sources suffice, which repeat, and what each takes of the hours of all devices together."""
    texts = []
    for name, some in (
        ("suffice", [each for each in found if each.epochs <= 1]),
        ("repeat", [each for each in found if each.epochs > 1]),
    ):
        shown = [f"{each.source} {short(each.share * hours)} h" for each in some[:SHOWN]]
        more = [f"{len(some) - SHOWN} more"] if len(some) > SHOWN else []
        if shown:
            texts.append(f"{name}: {', '.join([*shown, *more])}")
    return "; ".join(texts)
