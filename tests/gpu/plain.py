"""A plain training loop on transformers' LLaMA, compiled, with bf16 by autocast: the rate to compare ours with.

As a careful user writes it: sdpa attention, fused AdamW, gradients set to None. Weights and tokens are random: only the
time counts.
"""

from __future__ import annotations

import time
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn
from transformers import LlamaConfig, LlamaForCausalLM

from stages.model import device
from stages.pretrain.config import PretrainConfig
from tests.bench.train_speed_theirs import build_optimizer
from tests.gpu.data import VOCABULARY


def measured(order: dict[str, Any]) -> dict[str, Any]:
    """Train for the steps of `settings`; return seconds and memory."""
    config = PretrainConfig(tokens="unused", tokenizer="unused", **order["settings"])
    where = device.device()
    model = _model(config).train()
    optimizer = build_optimizer(config, model)
    run = torch.compile(model)
    narrow = torch.autocast(where.type, torch.bfloat16, enabled=config.dtype == "bf16")
    rows = config.model.used_rows(VOCABULARY)
    shape = (config.global_batch, config.model.seq_len)
    steps = []
    for number in range(config.steps):
        tokens = torch.randint(rows, shape, generator=torch.Generator().manual_seed(number)).to(where)
        began = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        with narrow:
            logits = run(input_ids=tokens, use_cache=False).logits
            loss = F.cross_entropy(logits[:, :-1].flatten(0, 1), tokens[:, 1:].flatten())
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), config.optimizer.clip_grad)
        optimizer.step()
        loss.item()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        steps.append(time.perf_counter() - began)
    timed = sorted(steps[2:])
    memory = torch.cuda.max_memory_allocated() / 1e6 if torch.cuda.is_available() else None
    seconds = timed[len(timed) // 2]
    return {"steps": steps, "seconds": seconds, "tokens_s": shape[0] * shape[1] / seconds, "memory_mb": memory}


def _model(config: PretrainConfig) -> nn.Module:
    chosen = config.model
    shape = LlamaConfig(
        vocab_size=chosen.num_rows(VOCABULARY),
        hidden_size=chosen.dim,
        intermediate_size=chosen.ffn,
        num_hidden_layers=chosen.num_layers,
        num_attention_heads=chosen.num_heads,
        num_key_value_heads=chosen.kv_heads,
        max_position_embeddings=chosen.seq_len,
        tie_word_embeddings=False,
    )
    torch.manual_seed(1)
    with device.device():
        return LlamaForCausalLM(shape)
