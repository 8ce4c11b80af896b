"""Megatron-Core without torch's compiler, in a process of its own: others have imported Megatron already."""

from __future__ import annotations

import subprocess
import sys

_PROBE = """
import sys, torch
from stages.model import compiler
given = torch.compile
compiler.leave_out()
import stages.generate.opening
sys.exit(torch.compile is not given or "torch._dynamo" in sys.modules or "torch._inductor" in sys.modules)
"""


def test_an_engine_without_cuda_is_opened_without_the_compiler() -> None:
    probe = [sys.executable, "-W", "ignore", "-c", _PROBE]
    assert subprocess.run(probe, env={"CUDA_VISIBLE_DEVICES": ""}, check=False).returncode == 0
