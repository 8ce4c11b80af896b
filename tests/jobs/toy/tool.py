"""The toy stage's tool: `tune` counts what is done and names the settings that differ."""

from __future__ import annotations

from collections.abc import Sequence

from stages.shared.errors import ConfigError
from stages.shared.tool import ToolCall, ToolTable


def tune(call: ToolCall) -> Sequence[ToolTable]:
    """Return a row for each step. Refuses other texts, as a tool refuses what it cannot judge."""
    if "text" in call.changes:
        raise ConfigError("text", call.changed.text, "the run's own")
    rows = tuple((step, str(len(done)), str(call.num_units[step])) for step, done in call.done.items())
    words = [(folder / "words.txt").read_text(encoding="utf-8").strip() for folder in call.done["make"]]
    read = sum(map(len, call.inputs.values()))
    notes = (f"changes: {', '.join(call.changes)}", f"paces {call.config.paces} -> {call.changed.paces}")
    return [
        ToolTable(title=f"{call.section}: {read} files", columns=("step", "done", "units"), rows=rows, notes=notes),
        ToolTable(notes=tuple(words)),
    ]
