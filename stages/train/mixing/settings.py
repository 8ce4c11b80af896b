"""Settings of a mixture beyond its weights. Light."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from stages.shared.contract import Section
from stages.shared.errors import ConfigError

Weights = dict[str, float]
TOTAL, PUBLISHED = 1e-6, 0.006
"""Differences that are none: of a sum, and of published per cent."""


class LastSettings(Section):
    """Another mixture at the end of a training, as in annealing (arXiv:2407.21783, section 3.4.3)."""

    share: float = Field(default=0.1, gt=0, lt=1)
    """Share of the sequences, the last ones, that are drawn from it."""
    mixture: Weights = Field(min_length=1)
    """Shares by source name, relative to one another. A source that is absent is not read there."""

    @model_validator(mode="after")
    def _check(self) -> LastSettings:
        check_weights("mixing.last.mixture", self.mixture)
        return self


class MixingSettings(Section):
    """How weights become shares of the sequences."""

    weights: Literal["shares", "epochs"] = "shares"
    """Meaning of the weights in `mixture`. shares: parts of the sequences, as in LLaMA's table. epochs: how often each
    source is read, relative to one another, as in The Pile's."""
    total: float | None = None
    """Sum that the weights of `mixture` must have, such as 100 for a table in per cent. null: any."""
    sizes: Weights | None = None
    """Sizes by source, in any one unit, that take the place of the sources' tokens with `weights: epochs`: a published
    mixture is the same with another tokenizer. null: the tokens."""
    published: Weights | None = None
    """Shares in per cent, by source, that must come out of `mixture` and `sizes`, to 0.01. null: no check."""
    temperature: float = Field(default=1.0, ge=1)
    """Without `mixture`: a source's share is proportional to its tokens to the power 1 / temperature, so that small
    sources, such as rare languages, are read more often (arXiv:1911.02116, section 3.1; 1 / 0.3 there)."""
    max_epochs: Annotated[float, Field(gt=0)] | None = None
    """Times that any source is read, at most. What it would be read beyond goes to the others in their shares, with a
    warning. null: no limit."""
    last: LastSettings | None = None
    """Another mixture at the end; null: one mixture."""

    def require(self, mixture: Weights | None) -> None:
        """Raise ConfigError for a mixture that these settings do not fit, or that is not the published one."""
        if mixture is None:
            self._require_none()
            return
        if self.temperature > 1:
            raise ConfigError("mixing.temperature", self.temperature, "1 with `mixture`, which gives the shares")
        if self.sizes is not None and self.weights != "epochs":
            raise ConfigError("mixing.sizes", self.sizes, "null with `weights: shares`, which need no sizes")
        if self.sizes is not None and self.sizes.keys() != mixture.keys():
            odd = sorted(self.sizes.keys() ^ mixture.keys())
            raise ConfigError("mixing.sizes", sorted(self.sizes), f"a size for each source of `mixture`; see {odd}")
        if self.total is not None and abs(sum(mixture.values()) - self.total) > TOTAL:
            wanted = f"weights that sum to {self.total:g}, not {sum(mixture.values()):g}"
            raise ConfigError("mixture", mixture, wanted)
        self._require_published({name: weight * (self.sizes or {}).get(name, 1.0) for name, weight in mixture.items()})

    def _require_none(self) -> None:
        needing = {"weights": self.weights == "epochs", "total": self.total, "sizes": self.sizes}
        for name, given in {**needing, "published": self.published}.items():
            if given:
                raise ConfigError(f"mixing.{name}", getattr(self, name), "absent without `mixture`")

    def _require_published(self, weights: Weights) -> None:
        whole = sum(weights.values())
        for name, percent in (self.published or {}).items():
            found = 100 * weights.get(name, 0.0) / whole
            if abs(found - percent) > PUBLISHED:
                raise ConfigError(f"mixing.published.{name}", percent, f"{found:.3f}, which `mixture` and `sizes` give")


def check_weights(setting: str, weights: Weights) -> None:
    """Raise ConfigError for a weight that is none."""
    for source, weight in weights.items():
        if not weight > 0:
            raise ConfigError(f"{setting}.{source}", weight, "a weight above 0, or absent")
