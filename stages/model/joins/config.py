"""A join's settings: how features of an encoder become positions of the language model. Light."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from pydantic import Field, model_validator

from stages.shared.contract import Section
from stages.shared.errors import ConfigError

Kind = Literal["linear", "mlp", "qformer", "abstractor"]


class _Shape(NamedTuple):
    queries: int
    num_layers: int
    dim: int
    num_heads: int
    ffn_dim: int


_NONE = _Shape(0, 0, 0, 0, 0)
_SHAPES: dict[str, _Shape] = {"qformer": _Shape(32, 12, 768, 12, 3072), "abstractor": _Shape(64, 6, 1024, 16, 4096)}
"""Published shapes: BLIP-2's (arXiv:2301.12597, section 3.1) and mPLUG-Owl's (X-PLUG/mPLUG-Owl, configuration)."""


def _published(name: str) -> Any:
    """Return the function that gives a setting its default by the kind."""
    return lambda earlier: getattr(_SHAPES.get(earlier.get("kind", ""), _NONE), name)


class JoinConfig(Section):
    """The part between encoder and language model: features in, positions of the model's width out."""

    kind: Kind = "mlp"
    """linear (arXiv:2304.08485, section 4.1) and mlp, two layers with GELU (arXiv:2310.03744, section 3.3), keep each
    feature; qformer (arXiv:2301.12597, section 3.1) and abstractor (arXiv:2304.14178, section 3.1) ask for a fixed
    number of positions by learned queries."""
    queries: int = Field(default_factory=_published("queries"), ge=0)
    """Learned queries; default 32 of a qformer, 64 of an abstractor, which adds a learned end."""
    num_layers: int = Field(default_factory=_published("num_layers"), ge=0)
    """Layers that the queries pass; default 12 and 6. A qformer looks at the features in every second, from the
    first."""
    dim: int = Field(default_factory=_published("dim"), ge=0)
    """Width of a query; default 768 and 1024, which for an abstractor is the encoder's width."""
    num_heads: int = Field(default_factory=_published("num_heads"), ge=0)
    """Attention heads; default 12 and 16."""
    ffn_dim: int = Field(default_factory=_published("ffn_dim"), ge=0)
    """Inner width of the feed-forward blocks; default 3,072 and 4,096."""
    init_std: float = Field(default=0.02, gt=0)
    """Standard deviation of the initial weights."""

    @model_validator(mode="after")
    def _check(self) -> JoinConfig:
        has_queries, least = self.kind in _SHAPES, 1 if self.kind in _SHAPES else 0
        for name in _Shape._fields:
            value = getattr(self, name)
            if bool(value) != has_queries:
                wanted = "at least 1" if least else f"absent with kind {self.kind}, which has no queries"
                raise ConfigError(f"join.{name}", value, wanted)
        if has_queries and self.dim % self.num_heads:
            near = max(1, round(self.dim / self.num_heads)) * self.num_heads
            raise ConfigError("join.dim", self.dim, f"a multiple of num_heads ({self.num_heads}) (for example {near})")
        return self

    def positions(self, features: int) -> int:
        """Return the positions that a square's features become."""
        if self.kind in ("linear", "mlp"):
            return features
        return self.queries + (self.kind == "abstractor")

    def require_width(self, width: int) -> None:
        """Raise ConfigError if features of a width cannot be joined."""
        if self.kind == "abstractor" and self.dim != width:
            raise ConfigError("join.dim", self.dim, f"the encoder's width ({width}) with kind abstractor")

    def num_parameters(self, width: int, dim: int) -> int:
        """Return the parameters between features of a width and a language model of width `dim`.

        mPLUG-Owl's abstractor has 105,097,216 between 1,024 and 4,096.
        """
        if self.kind == "linear":
            return _linear(width, dim)
        if self.kind == "mlp":
            return _linear(width, dim) + _linear(dim, dim)
        own, norm = self.dim, 2 * self.dim
        attention = 2 * _linear(own, own)  # query and output
        queries, out = self.queries * own, _linear(own, dim)
        if self.kind == "abstractor":
            inner = 2 * _linear(own, self.ffn_dim) + 2 * self.ffn_dim + _linear(self.ffn_dim, own)
            return queries + self.num_layers * (attention + 2 * _linear(own, own) + inner + 3 * norm) + out + dim
        block = attention + 2 * _linear(own, own) + _linear(own, self.ffn_dim) + _linear(self.ffn_dim, own) + 2 * norm
        cross = attention + 2 * _linear(width, own) + norm
        return queries + norm + self.num_layers * block + (self.num_layers + 1) // 2 * cross + out


def _linear(inputs: int, outputs: int) -> int:
    return (inputs + 1) * outputs
