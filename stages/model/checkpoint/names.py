"""Names of the files of a checkpoint that are no tensors."""

from __future__ import annotations

STATE = "state.json"
COMPLETE = "complete.json"
