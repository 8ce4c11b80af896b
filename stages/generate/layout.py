"""Layout of an engine: the processes that hold one model together. Light: the login node plans with it."""

from __future__ import annotations

from pydantic import Field

from stages.model.config import ModelConfig
from stages.shared.contract import Section
from stages.shared.errors import ConfigError
from stages.train.planner.shape import divisors


class EngineLayout(Section):
    """The processes that hold one model together: tp x pp x ep of them. Any layout reads what any layout wrote."""

    tp: int = Field(default=1, ge=1)
    """Tensor parallelism: processes that split every matrix (arXiv:1909.08053); keep it within a node."""
    pp: int = Field(default=1, ge=1)
    """Pipeline parallelism: groups of layers in turn, groups of rows one after another."""
    ep: int = Field(default=1, ge=1)
    """Expert parallelism: processes that share out the experts of the model (arXiv:2006.16668)."""

    @property
    def ranks(self) -> int:
        """Processes."""
        return self.tp * self.pp * self.ep

    def require(self, model: ModelConfig, name: str) -> None:
        """Raise ConfigError if a model cannot be split so. `name` is that of its checkpoint."""
        splits = [size for size in divisors(model.num_heads) if _is_split(model, size)]
        if self.tp not in splits:
            heads = f"{model.num_heads} heads, {model.kv_heads} key/value heads"
            wanted = f"a number that splits the {heads} and {model.ffn} feed-forward columns of {name}"
            raise ConfigError("layout.tp", self.tp, f"{wanted} (for example {_nearest(splits, self.tp)})")
        if model.num_layers % self.pp:
            wanted = f"a divisor of the {model.num_layers} layers of {name}"
            near = _nearest(divisors(model.num_layers), self.pp)
            raise ConfigError("layout.pp", self.pp, f"{wanted} (for example {near})")
        if model.moe is None and self.ep > 1:
            raise ConfigError("layout.ep", self.ep, f"1: {name} has no experts")
        if model.moe is not None and model.moe.num_experts % self.ep:
            wanted = f"a divisor of the {model.moe.num_experts} experts of {name}"
            near = _nearest(divisors(model.moe.num_experts), self.ep)
            raise ConfigError("layout.ep", self.ep, f"{wanted} (for example {near})")


def _is_split(model: ModelConfig, tp: int) -> bool:
    """Return whether so many processes split every matrix; fewer key/value heads than processes are shared by some."""
    return model.ffn % tp == 0 and (model.kv_heads % tp == 0 or tp % model.kv_heads == 0)


def _nearest(sizes: list[int], wanted: int) -> int:
    return min(sizes, key=lambda size: abs(size - wanted))
