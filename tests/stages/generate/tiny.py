"""Small models with random weights, and a codec whose tokens are their own names."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch

from stages.generate.generation import Generator
from stages.generate.passes import Passes
from stages.generate.requests import Request
from stages.generate.sampling import Sampling
from stages.model import parallel
from stages.model.checkpoint.load import LoadedModel, build_for_reading
from stages.model.config import ModelConfig
from stages.model.decoder import initialise
from stages.shared.task import Ranks

VOCAB = 301
EOS = 2
SHAPE: dict[str, Any] = {"num_layers": 2, "dim": 64, "num_heads": 4, "ffn_dim": 96, "seq_len": 40, "init_std": 0.1}
GLM = {"position": "glm", "norm": "layernorm", "activation": "gelu", "bias": True, "tied_embeddings": True}
KINDS: dict[str, dict[str, Any]] = {
    "RoPE": {},
    "RoPE, grouped": {"num_kv_heads": 2},
    "RoPE, multi-query": {"num_kv_heads": 1, "tied_embeddings": True},
    "ALiBi": {"position": "alibi"},
    "ALiBi, grouped": {"position": "alibi", "num_kv_heads": 2},
    "ALiBi, multi-query": {"position": "alibi", "num_kv_heads": 1},
    "experts": {"moe": {"num_experts": 4, "top_k": 2}},
    "GLM": GLM,
}


class Names:
    """Decodes token 17 as " 17", the end of a sequence as nothing."""

    eos_id = EOS

    def encode(self, text: str) -> list[int]:
        return [int(name) for name in text.split()]

    def decode(self, ids: Sequence[int]) -> str:
        return "".join(f" {token}" for token in ids if token != EOS)


@lru_cache
def model_of(kind: str, dtype: torch.dtype = torch.float32) -> LoadedModel:
    parallel.start(Ranks())
    config = ModelConfig(**SHAPE, **KINDS[kind])
    model = build_for_reading(config, VOCAB, dtype)
    initialise(model, config, seed=1)
    return LoadedModel(model, config, VOCAB, tokenizer_sha256="", step=0)


def ragged(count: int, seed: int = 0) -> list[list[int]]:
    """Return prompts of 1 to 24 tokens; many begin alike."""
    draw = random.Random(seed)
    head = [draw.randrange(3, VOCAB) for _ in range(17)]
    return [
        head[: draw.randrange(1, 18)] + [draw.randrange(3, 5) for _ in range(draw.randrange(8))] for _ in range(count)
    ]


def mixed_requests(count: int, **options: Any) -> list[Request]:
    """Return requests with ragged prompts: greedy, and sampled in several ways."""
    draw = random.Random(1)
    return [
        Request(
            prompt=tuple(prompt),
            sampling=Sampling(
                max_tokens=draw.randrange(1, 20),
                temperature=draw.choice([0.0, 0.7, 1.3]),
                top_k=draw.choice([0, 20]),
                top_p=draw.choice([1.0, 0.9]),
                seed=3,
                **options,
            ),
            key=str(number),
        )
        for number, prompt in enumerate(ragged(count))
    ]


def generator_of(kind: str, *, rows: int = 64, batch: int = 768, slots: int = 4000) -> Generator:
    return Generator(Passes(model_of(kind), slots), Names(), max_rows=rows, batch=batch)
