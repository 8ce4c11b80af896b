"""What journeys on the testbed have in common: a short journey, a training that takes a minute, a cluster file."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from stages.formats.attempts import Attempt

CLUSTER = """\
kind: slurm
testbed: true
environment: {OMP_NUM_THREADS: "1"}
signal_lead_s: 50
srun_args: ["--cpu-bind=none"]
defaults:
  data: {mem_gb: 0, time_min: 10, throttle: 2, backoff_s: 0}
  train: {mem_gb: 0, time_min: 10, ranks_per_node: 1, backoff_s: 0}
  small: {mem_gb: 0, time_min: 10, backoff_s: 0}
"""

SHORT = {
    "sample.pages": 600,
    "web.exact.parts": 2,
    "web.write_index": "true",
    "tokenizer.vocab_size": 512,
    "pretrain.model": "{num_layers: 2, dim: 96, num_heads: 4, seq_len: 128}",
    "pretrain.steps": 40,
    "pretrain.warmup_steps": 5,
    "evaluate.tasks": "[perplexity, generate]",
}
"""Settings of a journey that takes a minute, with every step that the web stage can have."""

PRETRAIN = """\
  stage: pretrain
  tokens: {tokens}
  tokenizer: {tokenizer}
  model: {{num_layers: 2, dim: 96, num_heads: 4, seq_len: 64}}
  layout: {{dp: 2}}
  global_batch: 8
  microbatch: 4
  warmup_steps: 10
"""


def shortened() -> list[str]:
    """Return the words that make the recipe `pretrain` a short journey."""
    return [word for name, value in SHORT.items() for word in ("--set", f"{name}={value}")]


def write_cluster(folder: Path) -> Path:
    """Write the testbed's cluster file with limits that are soon reached and return its path."""
    path = folder / "quick-testbed.yaml"
    path.write_text(CLUSTER)
    return path


def exit_codes(tries: Iterable[Attempt]) -> list[int | None]:
    """Return how attempts ended, in order; None for one that has not."""
    return [attempt.end.exit_code if attempt.end is not None else None for attempt in tries]


def crashes(codes: Iterable[int | None]) -> int:
    """Count the attempts that ended neither well nor with their state saved.

    A killed rank shows as 137, or as whatever the ranks that lost it end with: srun reports either.
    """
    return sum(code not in (None, 0, 85) for code in codes)
