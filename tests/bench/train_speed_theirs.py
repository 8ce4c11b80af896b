"""A plain training loop on transformers' LLaMA: one side of train_speed.py. Reads its order from its argument.

As a careful user writes it: sdpa attention, no cache, AdamW fused and with two groups, gradients set to None.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn
from transformers import LlamaForCausalLM

from stages.pretrain.config import PretrainConfig
from tests.bench.memory import grown_mb


def main(order: dict[str, Any]) -> None:
    """Train and print what was measured."""
    config = PretrainConfig(tokens="unused", tokenizer="unused", **order["settings"])
    torch.set_num_threads(config.threads)
    grown = grown_mb()
    model: nn.Module = LlamaForCausalLM.from_pretrained(
        Path(order["part"]) / "llama", attn_implementation="sdpa", dtype=torch.float32, use_cache=False
    )
    model.train()
    optimizer = build_optimizer(config, model)
    tokens, labels = (np.load(Path(order["part"]) / f"{name}.npy", mmap_mode="r") for name in ("tokens", "labels"))
    wall, cpu, losses = [], [], []
    for step in range(config.steps):
        wall_before, cpu_before = time.perf_counter(), time.process_time()
        for group in optimizer.param_groups:
            group["lr"] = config.schedule.learning_rate(step + 1)
        optimizer.zero_grad(set_to_none=True)
        inputs, wanted = (torch.from_numpy(each[step].copy()) for each in (tokens, labels))
        logits = model(input_ids=inputs).logits
        loss = F.cross_entropy(logits.flatten(0, 1), wanted.flatten())
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), config.optimizer.clip_grad)
        optimizer.step()
        losses.append(loss.item())
        wall.append(time.perf_counter() - wall_before)
        cpu.append(time.process_time() - cpu_before)
    print(json.dumps({"wall": wall, "cpu": cpu, "peak_mb": grown(), "losses": losses}))


def build_optimizer(config: PretrainConfig, model: nn.Module) -> torch.optim.Optimizer:
    """Return AdamW that leaves norms' gains from decay."""
    chosen, weights = config.optimizer, list(model.parameters())
    groups = [
        {"params": [weight for weight in weights if weight.dim() > 1], "weight_decay": chosen.weight_decay},
        {"params": [weight for weight in weights if weight.dim() == 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, betas=(chosen.beta1, chosen.beta2), eps=chosen.eps, fused=True)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
