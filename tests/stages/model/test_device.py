"""The CPU shim, on machines without CUDA."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from stages.model import device

ROOT = Path(__file__).parents[3]

PROBE = """
import torch
from stages.model import device
before = torch.zeros
device.install()
patched = torch.zeros
device.install()
assert torch.zeros is patched is not before, "installed once"
assert device.device() == torch.device("cpu") == torch.cuda.current_device()
assert torch.zeros(2, device="cuda").device.type == torch.tensor([1.0], device="cuda").device.type == "cpu"
assert torch.ones(2, device="meta").device.type == "meta"
assert torch.zeros(1).type() == "torch.cuda.FloatTensor"
assert torch.zeros(1).bfloat16().type() == "torch.cuda.BFloat16Tensor"
assert torch.zeros(1).type(torch.int64).dtype == torch.int64
weights = torch.nn.Linear(2, 2)
assert weights.cuda() is weights
torch.cuda.manual_seed(3)
state = torch.cuda.get_rng_state()
drawn = torch.rand(4)
torch.cuda.set_rng_state(state)
assert torch.equal(torch.rand(4), drawn)
torch.cuda.synchronize()
torch.cuda.current_stream().wait_stream(torch.cuda.default_stream())
"""


@pytest.mark.skipif(torch.cuda.is_available(), reason="with CUDA the shim stays out of the way")
def test_megatrons_questions_to_cuda_are_answered_by_the_cpu() -> None:
    subprocess.run([sys.executable, "-W", "ignore", "-c", PROBE], cwd=ROOT, check=True)


def test_importing_the_shim_changes_nothing() -> None:
    probe = "import torch; before = torch.zeros; import stages.model.device; assert torch.zeros is before"
    subprocess.run([sys.executable, "-c", probe], cwd=ROOT, check=True)


def test_the_device_is_one_this_machine_has() -> None:
    assert torch.ones(1).to(device.device()).sum() == 1
