"""Recipes and a cluster file for journeys on the testbed."""

from __future__ import annotations

from pathlib import Path

CLUSTER = """\
kind: slurm
testbed: true
signal_lead_s: 10
srun_args: ["--cpu-bind=none"]
defaults:
  data: {mem_gb: 0, time_min: 10, throttle: 2}
  train: {mem_gb: 0, time_min: 10, ranks_per_node: 1}
  small: {mem_gb: 0, time_min: 10}
"""

DATA = """\
sample: {pages: 300}
web: {inputs: from:sample, dedup: {preset: fineweb, bucket_shards: 2}, exact: {parts: 2}, write_index: true}
tokenizer: {documents: from:web, vocab_size: 512}
tokens: {documents: from:web, tokenizer: from:tokenizer}
"""

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


def write_cluster(folder: Path) -> Path:
    """Write the testbed's cluster file with a short signal lead and return its path."""
    path = folder / "quick-testbed.yaml"
    path.write_text(CLUSTER)
    return path
