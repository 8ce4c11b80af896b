"""The trainings of the checks: their sizes and variants. Light: no torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Settings = dict[str, Any]

SMALL: Settings = {
    "model": {"num_layers": 4, "dim": 256, "num_heads": 4, "num_kv_heads": 2, "ffn_dim": 704, "seq_len": 128},
    **{"steps": 8, "global_batch": 4, "microbatch": 2, "lr": 2e-3, "warmup_steps": 2},
}
"""Small enough for two CPU cores: its losses are compared with the reference."""
MEDIUM: Settings = {
    "model": {"num_layers": 12, "dim": 1024, "num_heads": 8, "num_kv_heads": 4, "ffn_dim": 2816, "seq_len": 2048},
    **{"steps": 8, "global_batch": 16, "microbatch": 8, "lr": 3e-4, "warmup_steps": 2, "dtype": "bf16"},
}
"""0.14 B parameters: large enough for seconds and memory to be those of the kernels."""
LARGE: Settings = {
    "model": {
        **{"num_layers": 22, "dim": 2048, "num_heads": 16, "ffn_dim": 5504, "seq_len": 4096},
        "extra_tokens": [f"[made-{number}]" for number in range(32_000 - 2048)],
    },
    **{"steps": 12, "global_batch": 4, "microbatch": 4, "lr": 1e-4, "warmup_steps": 2, "dtype": "bf16"},
}
"""1.2 B parameters with 32,000 embedding rows."""
HALF: Settings = {**LARGE, "model": {**LARGE["model"], "num_layers": 11}, "steps": 119, "checkpoint_every": 60}
"""Half of its layers: a state of 9 GB, which a disk takes in the seconds of the steps after the one checkpoint."""


@dataclass(frozen=True)
class Variant:
    """A way to train, as settings over those of a size."""

    name: str
    settings: Settings = field(default_factory=dict)
    reference: str = "fp32"
    """Name of the losses, in float32 on a CPU, that it must have."""
    tolerance: float = 1e-3
    """Largest difference of a loss, in nats."""
    on_cpu: bool = True
    """Whether it is also tried without a GPU."""


_ROUGH = 5e-2
"""Nats that 16 bits may be off."""
_EXPERTS = 2e-2
"""Nats: a router that rounds otherwise sends a token elsewhere."""
VARIANTS = (
    # A scale that overflows would leave out the first steps. CPUs take ten times as long with this type.
    Variant("fp16", {"dtype": "fp16", "loss_scale": {"initial": 256.0}}, tolerance=_ROUGH, on_cpu=False),
    Variant("ALiBi", {"model": {"position": "alibi"}}, "ALiBi"),
    Variant("GLM", {"model": {"position": "glm"}, "blanks": {}}, "GLM"),
    Variant("documents apart", {"attend_across_documents": False}, "documents apart"),
    Variant("documents apart, bf16", {"attend_across_documents": False, "dtype": "bf16"}, "documents apart", _ROUGH),
    Variant("experts", {"model": {"moe": {"num_experts": 8, "top_k": 2}}}, "experts", _EXPERTS),
    Variant("z-loss", {"z_loss": 1e-4}, "z-loss"),
    Variant("recompute selective", {"layout": {"recompute": "selective"}}),
    Variant("recompute full", {"layout": {"recompute": "full"}}),
    Variant("offload optimizer", {"layout": {"offload": ["optimizer"]}}),
    Variant("offload activations", {"layout": {"offload": ["activations"]}}),
    Variant("offload both", {"layout": {"offload": ["optimizer", "activations"]}}),
    Variant("held-out loss", {"heldout_batches": 1, "heldout_every": 4}, "held-out loss"),
    Variant("layer statistics", {"layer_stats_every": 2}),
)
PLAIN = Variant("fp32")
NARROW = Variant("bf16", {"dtype": "bf16"}, tolerance=_ROUGH)
REFERENCES = [PLAIN, *(each for each in VARIANTS if each.name == each.reference)]
"""The variants whose losses are the reference."""


def merged(size: Settings, more: Settings) -> Settings:
    """Return a size's settings with others over them; of a section's, only those given change."""
    return {**size, **{name: _over(size.get(name), value) for name, value in more.items()}}


def _over(old: Any, new: Any) -> Any:
    return {**old, **new} if isinstance(old, dict) and isinstance(new, dict) else new
