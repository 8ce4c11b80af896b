"""Time and memory of one attention layer, forward and back, beside Megatron's own and a bias written out.

    python -m tests.bench.attention [--tokens 4096]          a line a kind; each is a process of its own

8 heads of 64, float32, one thread; documents apart have 500 tokens each. Memory is the growth of the process's peak,
time the best of three in CPU seconds.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F  # noqa: N812
from megatron.core.transformer import TransformerConfig
from megatron.core.transformer.dot_product_attention import DotProductAttention
from megatron.core.transformer.enums import AttnMaskType
from torch import Tensor

from stages.model import parallel
from stages.model.layers.attention import (
    AlibiAttention,
    CausalAttention,
    MaskedAttention,
    alibi_slopes,
    documents_apart,
)
from stages.model.layers.glm import hidden_keys
from stages.shared.task import Ranks

HEADS, WIDTH, DOCUMENT = 8, 64, 500
KINDS = ("causal", "documents apart", "alibi", "glm", "alibi written out", "megatron")


def main() -> None:
    """Measure one kind here, or all of them in processes of their own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, default=4096)
    parser.add_argument("--kind", choices=KINDS)
    chosen = parser.parse_args()
    if chosen.kind:
        measure(chosen.kind, chosen.tokens)
        return
    for kind in KINDS:
        own = [sys.executable, "-W", "ignore", "-m", "tests.bench.attention", "--kind", kind]
        subprocess.run([*own, "--tokens", str(chosen.tokens)], check=True)


def measure(kind: str, tokens: int) -> None:
    """Print a line."""
    torch.set_num_threads(1)
    torch.set_flush_denormal("alibi" in kind)  # as stages/train/loop.py
    parallel.start(Ranks())
    inputs = [torch.randn(tokens, 1, HEADS, WIDTH, requires_grad=True) for _ in range(3)]
    run = attention(kind, tokens)
    before, best = peak_mb(), float("inf")
    for _ in range(3):
        began = time.process_time()
        run(*inputs).sum().backward()
        best = min(best, time.process_time() - began)
    print(f"{kind:18} T {tokens}  {peak_mb() - before:6.0f} MB  {best:.2f} s", flush=True)


def attention(kind: str, tokens: int) -> Callable[..., Tensor]:
    """Return what maps query, key and value to mixed values."""
    config = TransformerConfig(
        num_layers=1, hidden_size=HEADS * WIDTH, num_attention_heads=HEADS, masked_softmax_fusion=False
    )
    config.attention_dropout = 0.0
    if kind == "megatron":
        theirs = DotProductAttention(config, 1, AttnMaskType.causal, "self")
        return lambda *inputs: theirs(*inputs, None)
    if kind == "alibi written out":
        return written_out
    if kind == "documents apart":
        lengths = torch.arange(tokens).div(DOCUMENT, rounding_mode="floor").bincount()
        apart, ours = documents_apart(lengths, tokens, torch.device("cpu")), CausalAttention(config)
        return lambda *inputs: ours(*inputs, None, packed_seq_params=apart)
    ours = {"causal": CausalAttention, "alibi": AlibiAttention, "glm": MaskedAttention}[kind](config)
    mask = hidden_keys(torch.tensor([tokens // 2]), tokens) if kind == "glm" else None
    return lambda *inputs: ours(*inputs, mask)


def written_out(*inputs: Tensor) -> Tensor:
    """Return ALiBi's attention with its bias as a tensor [H, T, T]."""
    place = torch.arange(len(inputs[0]))
    bias = torch.tensor(alibi_slopes(HEADS))[:, None, None] * (place[None, :] - place[:, None])
    bias = bias.masked_fill(place[None, :] > place[:, None], float("-inf"))
    return F.scaled_dot_product_attention(*(x.permute(1, 2, 0, 3) for x in inputs), attn_mask=bias[None])


def peak_mb() -> float:
    """Return this process's largest resident size so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
