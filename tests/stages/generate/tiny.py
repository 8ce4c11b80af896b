"""Small models with random weights, and a codec whose tokens are their own names."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch

from stages.generate.features import Features
from stages.generate.generation import Generator
from stages.generate.passes import Passes
from stages.generate.requests import Request
from stages.generate.sampling import Sampling
from stages.model import parallel
from stages.model.checkpoint.load import LoadedModel, build_for_reading
from stages.model.config import ModelConfig
from stages.model.decoder import initialise
from stages.model.layers.glm import as_generation
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


USUAL_STD = 0.02
"""Of weights as a training starts from them. Logits are then as small as float32 is exact to 1e-6 for."""


@lru_cache
def model_of(
    kind: str, dtype: torch.dtype = torch.float32, init_std: float = SHAPE["init_std"], *, packed: bool = False
) -> LoadedModel:
    parallel.start(Ranks())
    config = ModelConfig(**{**SHAPE, "init_std": init_std}, **KINDS[kind])
    model = build_for_reading(config, VOCAB, dtype)
    initialise(model, config, seed=1)
    if packed:
        model.pack()
    return LoadedModel(model, config, VOCAB, tokenizer_sha256="", step=0)


@torch.inference_mode()
def whole_pass(model: LoadedModel, tokens: Sequence[int]) -> torch.Tensor:
    """Return the logits [T, V] of the forward pass without a cache, in the model's type."""
    tokens_1T = torch.tensor([tokens])
    if model.lead:
        logits_1TV = model.model(*as_generation(tokens_1T, *model.lead))[:, len(model.lead) :]
    else:
        logits_1TV = model.model(tokens_1T, torch.arange(len(tokens))[None])
    logits_TV: torch.Tensor = logits_1TV[0, :, :VOCAB]
    return logits_TV


@torch.inference_mode()
def seen_pass(model: LoadedModel, tokens: Sequence[int], features: Features) -> torch.Tensor:
    """Return the logits [T, V] of the forward pass, its embeddings replaced behind the embedding module."""
    spliced = features.spliced(tokens)

    def replace(_module: Any, _given: Any, embedded_T1D: torch.Tensor) -> torch.Tensor:
        return embedded_T1D if spliced is None else embedded_T1D.index_copy(0, spliced[0], spliced[1][:, None])

    hook = model.model.embedding.register_forward_hook(replace)
    try:
        shown = torch.tensor([tokens]).clamp(min=0)
        logits: torch.Tensor = model.model(shown, torch.arange(len(tokens))[None])[0, :, : model.num_outputs]
        return logits
    finally:
        hook.remove()


def positions_of(model: LoadedModel) -> list[tuple[list[int], list[int]]]:
    """Return windows that want one token each: every position of ragged sequences, many of which begin alike."""
    draw = random.Random(5)
    rows = [row + [draw.randrange(VOCAB) for _ in range(draw.randrange(1, 15))] for row in ragged(12, seed=5)]
    rows.append(rows[0][:1] + [draw.randrange(VOCAB) for _ in range(model.seq_len)])
    return [(row[:at], [row[at]]) for row in rows for at in range(1, len(row))]


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
