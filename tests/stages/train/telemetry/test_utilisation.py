"""Operations, peaks and memory."""

from __future__ import annotations

import pytest
import torch

from stages.pretrain.config import PretrainConfig
from stages.train.telemetry.utilisation import memory_mb, operations, peak, peak_here


def test_a_tokens_operations_are_six_a_weight_and_those_of_attention() -> None:
    model = {"num_layers": 2, "dim": 64, "num_heads": 4, "ffn_dim": 128, "seq_len": 32}
    config = PretrainConfig(tokens="x", tokenizer="x", model=model)
    weights = 2 * (4 * 64 * 64 + 3 * 64 * 128) + 384 * 64
    attention = 6 * 2 * 32 * 64  # half the scores
    assert operations(config, 300, 8) == 8 * 32 * (6 * weights + attention)


def test_a_peak_is_that_of_the_data_sheet_and_no_guess() -> None:
    assert peak("NVIDIA A100-SXM4-80GB", "bf16") == 312e12
    assert peak("NVIDIA A100-SXM4-80GB", "fp32") == pytest.approx(19.5e12)
    assert peak("NVIDIA H100 PCIe", "bf16") is None


def test_memory_is_counted_and_a_processor_has_no_peak() -> None:
    assert 50 < memory_mb() < 100_000
    if not torch.cuda.is_available():
        assert peak_here("bf16") is None
